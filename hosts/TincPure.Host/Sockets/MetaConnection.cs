using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.FSharp.Core;
using TincPure.Host.Engine;
using TincPure.Host.Process;
using TincPure.Node;

namespace TincPure.Host.Sockets;

/// <summary>
/// One open stream. Reads and reports what comes, no faster than the node takes it; writes what is queued, gathered into
/// large writes, and reports what has left. The node bounds the output queue: it hears of every byte that has left.
/// </summary>
internal sealed class MetaConnection
{
    private const int ReadSize = 16 * 1024;
    private const int WriteSize = 64 * 1024;

    /// <summary>Reads that the node has not seen yet; at this number reading pauses.</summary>
    private const int MaxUnseenReads = 4;

    /// <summary>How long a closed connection may take to write what is queued.</summary>
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(5);

    private readonly ConnectionId _id;
    private readonly Socket _socket;
    private readonly InputQueue _inputs;
    private readonly SemaphoreSlim _unseen = new(MaxUnseenReads, MaxUnseenReads);
    private readonly Channel<byte[]> _output =
        Channel.CreateUnbounded<byte[]>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

    private readonly CancellationTokenSource _reading = new();
    private int _reportedLost;

    public MetaConnection(ConnectionId id, Socket socket, InputQueue inputs)
    {
        _id = id;
        _socket = socket;
        _inputs = inputs;
    }

    public Socket Socket => _socket;

    public void Start()
    {
        _ = Task.Run(Read);
        _ = Task.Run(Write);
    }

    public void Send(byte[] bytes) => _output.Writer.TryWrite(bytes);

    public void Consumed() => _unseen.Release();

    /// <summary>Nothing is read or reported any more; the socket goes when what is queued has been written.</summary>
    public void Close()
    {
        Forget();
        _output.Writer.TryComplete();
        _ = Task.Delay(Linger).ContinueWith(_ => _socket.Dispose(), TaskScheduler.Default);
    }

    /// <summary>Nothing is read, written or reported any more; the socket stays open and is the caller's.</summary>
    public void Forget()
    {
        Interlocked.Exchange(ref _reportedLost, 1);
        _reading.Cancel();
    }

    private async Task Read()
    {
        var buffer = new byte[ReadSize];
        try
        {
            while (true)
            {
                await _unseen.WaitAsync(_reading.Token);
                var count = await _socket.ReceiveAsync(buffer, SocketFlags.None, _reading.Token);
                if (count == 0)
                {
                    Lost(FSharpValueOption<string>.None);
                    return;
                }

                _inputs.Post(Input.NewReceived(_id, buffer[..count]));
            }
        }
        catch (OperationCanceledException)
        {
            // Closed or put aside by the node.
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Lost(FSharpValueOption<string>.Some(ErrorText.Of(e)));
        }
    }

    private async Task Write()
    {
        var gathered = new byte[WriteSize];
        try
        {
            while (await _output.Reader.WaitToReadAsync())
            {
                while (_output.Reader.TryRead(out var bytes))
                {
                    var count = Gather(bytes, gathered, out var single);
                    await WriteAll(single ?? gathered, count);
                    if (Volatile.Read(ref _reportedLost) == 0)
                        _inputs.Post(Input.NewSent(_id, count));
                }
            }

            _socket.Shutdown(SocketShutdown.Send);
            _socket.Dispose();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Lost(FSharpValueOption<string>.Some(ErrorText.Of(e)));
        }
    }

    /// <summary>Copies as many queued pieces as fit behind the first; a large first piece goes alone, uncopied.</summary>
    private int Gather(byte[] first, byte[] gathered, out byte[]? single)
    {
        single = first;
        if (first.Length >= gathered.Length || !_output.Reader.TryPeek(out var next))
            return first.Length;

        single = null;
        first.CopyTo(gathered, 0);
        var count = first.Length;
        while (next is not null && count + next.Length <= gathered.Length && _output.Reader.TryRead(out var taken))
        {
            taken.CopyTo(gathered, count);
            count += taken.Length;
            _output.Reader.TryPeek(out next);
        }

        return count;
    }

    private async Task WriteAll(byte[] bytes, int count)
    {
        for (var sent = 0; sent < count;)
            sent += await _socket.SendAsync(bytes.AsMemory(sent, count - sent), SocketFlags.None);
    }

    /// <summary>Reports the end once, unless the node has closed the connection itself.</summary>
    private void Lost(FSharpValueOption<string> reason)
    {
        if (Interlocked.Exchange(ref _reportedLost, 1) == 0)
            _inputs.Post(Input.NewLost(_id, reason));
    }
}
