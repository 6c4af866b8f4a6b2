using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using TincPure.Crypto;
using TincPure.Sptps;
using SptpsStream = TincPure.Sptps.Stream;

namespace TincPure.Host.Tests;

/// <summary>The daemon's side of `join`, with the faults that a test asks for.</summary>
internal sealed class Inviter : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Task _serving;

    public Inviter(byte[] privateKey, byte[] publicKey)
    {
        PrivateKey = privateKey;
        PublicKey = publicKey;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(1);
        _serving = Task.Run(Serve);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    private byte[] PrivateKey { get; }

    private byte[] PublicKey { get; }

    public required string Line1 { get; init; }

    public required string Line2 { get; init; }

    public required byte[] Data { get; init; }

    public required int Chunk { get; init; }

    /// <summary>Empty, or what goes wrong, in the words of the vectors.</summary>
    public required string Fault { get; init; }

    private async Task Serve()
    {
        try
        {
            using var socket = await _listener.AcceptAsync();
            if (Fault != "close")
                Talk(socket);
        }
        catch (SocketException)
        {
            // The other side has gone.
        }
    }

    private void Talk(Socket socket)
    {
        var buffer = new byte[65536];
        var greeting = Encoding.ASCII.GetString(buffer, 0, socket.Receive(buffer));
        var peer = TincPure.Primitives.Base64.decode(greeting[3..46]).Value;
        if (Fault == "silent")
        {
            socket.Receive(buffer);
            return;
        }

        var parameters = new Handshake.Parameters(
            Handshake.Role.Responder, new Ed25519.KeyPair(new Secret(PrivateKey), PublicKey), peer, Handshake.Label.invitation);
        var (first, stream) = SptpsStream.start(RandomNumberGenerator.GetBytes(64), parameters);
        byte[][] pieces = [Encoding.ASCII.GetBytes(Line1), Encoding.ASCII.GetBytes(Line2), .. first];
        if (Fault != "separate")
            pieces = [.. pieces.SelectMany(piece => piece).Chunk(65536)];
        foreach (var piece in pieces)
        {
            socket.Send(piece);
            if (pieces.Length > 1)
                Thread.Sleep(TimeSpan.FromMilliseconds(100));
        }

        while (socket.Receive(buffer) is > 0 and var count)
        {
            for (var input = buffer.AsSpan(0, count); input.Length > 0;)
            {
                var received = SptpsStream.receive(RandomNumberGenerator.GetBytes(64), input, stream).ResultValue;
                input = input[received.Consumed..];
                stream = received.Session;
                foreach (var record in received.Outgoing)
                    socket.Send(record);
                if (received.Event.IsSome && received.Event.Value is SptpsStream.Event.Record said && !Answer(said))
                    return;
            }
        }

        void Send(byte type, byte[] data)
        {
            (var record, stream) = SptpsStream.send(type, data, stream).ResultValue;
            socket.Send(record);
        }

        bool Answer(SptpsStream.Event.Record said)
        {
            if (said.recordType == 0)
            {
                if (Fault == "close after cookie")
                    return false;
                foreach (var chunk in Data.Chunk(Chunk))
                    Send(0, chunk);
                if (Fault != "no end")
                    Send(1, []);
            }
            else if (Fault == "close after key")
            {
                return false;
            }
            else if (Fault != "no final")
            {
                Send(Fault == "type 3" ? (byte)3 : (byte)2, []);
            }

            return true;
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        _serving.Wait(TimeSpan.FromSeconds(10));
    }
}
