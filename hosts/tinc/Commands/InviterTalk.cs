using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using TincPure.Commands;
using TincPure.Crypto;
using TincPure.Host.Process;
using TincPure.Sptps;

namespace TincPure.Tinc.Commands;

/// <summary>The dialogue with the daemon of an inviter, over a connection (spec 06 §20.2).</summary>
internal sealed class InviterTalk(Session session, Socket socket, InvitationUrl.Url url)
{
    /// <summary>A daemon that says nothing for so long says nothing at all.</summary>
    private const int PatienceMilliseconds = 5000;

    /// <summary>An inviter tells at once that it has our key; what takes long is done after that, or after this.</summary>
    private static readonly TimeSpan AcceptanceLimit = TimeSpan.FromSeconds(1);

    private readonly byte[] _buffer = new byte[4096];

    /// <summary>The files that are still to be completed.</summary>
    private JoinFiles? _incomplete;

    private JoinFiles? _stored;
    private bool _accepted;

    /// <summary>The exit code, or null if this is no daemon that invites.</summary>
    public int? Run()
    {
        var (greeting, dialogue) = JoinDialogue.start(Random(), ThrowAwayKey(), url);
        if (!Send(greeting))
            return Failed(JoinDialogue.Failure.NoGreeting);

        while (!_accepted)
        {
            if (_incomplete is not null && !(socket.Poll(AcceptanceLimit, SelectMode.SelectRead) && socket.Available > 0))
                CompleteFiles();
            if (Receive(JoinDialogue.isInSession(dialogue)) is not { } input)
                return Failed(
                    JoinDialogue.isInSession(dialogue)
                        ? JoinDialogue.Failure.NewBroken("")
                        : JoinDialogue.Failure.NoGreeting);

            while (input.Length > 0 && !_accepted)
            {
                var received = JoinDialogue.receive(Random(), input, dialogue);
                if (received.IsError)
                    return Failed(received.ErrorValue);

                (var consumed, var steps, dialogue) = received.ResultValue;
                foreach (var step in steps)
                {
                    if (Take(step, ref dialogue) is { } failure)
                        return Failed(failure);
                }

                input = input[consumed..];
            }
        }

        session.Terminal.Fail("Invitation successfully accepted.");
        return 0;
    }

    private static byte[] Random() => RandomNumberGenerator.GetBytes(Handshake.RandomSize);

    private static Ed25519.KeyPair ThrowAwayKey() => Ed25519.generate(RandomNumberGenerator.GetBytes(Ed25519.SeedSize));

    private JoinDialogue.Failure? Take(JoinDialogue.Step step, ref JoinDialogue.Dialogue dialogue)
    {
        switch (step)
        {
            case JoinDialogue.Step.Send send:
                return Send(send.Item) ? null : JoinDialogue.Failure.NewBroken("");
            case JoinDialogue.Step.Invited invited:
                return Apply(Encoding.Latin1.GetString(invited.data), ref dialogue);
            default:
                _accepted = true;
                _stored?.Accepted();
                CompleteFiles();
                _stored?.Finish();
                return null;
        }
    }

    private JoinDialogue.Failure? Apply(string data, ref JoinDialogue.Dialogue dialogue)
    {
        var files = new JoinFiles(session, url);
        if (files.Store(data) is not { } publicKey)
            return JoinDialogue.Failure.NewBroken("");

        // The inviter does not wait for long, so the key goes out before the rest is done.
        var answer = JoinDialogue.sendKey(publicKey, dialogue);
        if (answer.IsError)
            return answer.ErrorValue;
        (var record, dialogue) = answer.ResultValue;
        Send(record);
        _stored = _incomplete = files;
        return null;
    }

    private void CompleteFiles()
    {
        _incomplete?.Complete();
        _incomplete = null;
    }

    private int? Failed(JoinDialogue.Failure failure)
    {
        CompleteFiles();
        switch (failure)
        {
            case JoinDialogue.Failure.WrongKey wrong:
                session.Terminal.Fail("Peer has an invalid key. Please make sure you're using the correct URL.");
                return session.Terminal.Fail(wrong.text);
            case JoinDialogue.Failure.Broken broken:
                if (broken.message.Length > 0)
                    session.Terminal.Fail(broken.message);
                return session.Terminal.Fail(
                    "Invitation cancelled. Please try again and contact the inviter for assistance if this error persists.");
            default:
                session.Terminal.Fail("Cannot read greeting from peer");
                return null;
        }
    }

    private bool Send(byte[] bytes)
    {
        try
        {
            socket.Send(bytes);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>What came, or null if nothing comes any more, which is explained.</summary>
    private byte[]? Receive(bool inSession)
    {
        try
        {
            socket.ReceiveTimeout = PatienceMilliseconds;
            var count = socket.Receive(_buffer);
            return count > 0 ? _buffer[..count] : null;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
        {
            session.Terminal.Fail("Timed out waiting for the server to reply.");
            return null;
        }
        catch (SocketException e)
        {
            if (inSession)
                session.Terminal.Fail(
                    "Error reading data from " + url.Host + " port " + url.Port + ": " + ErrorText.Of(e));
            return null;
        }
    }
}
