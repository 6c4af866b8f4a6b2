using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace TincPure.Interop.Tests;

/// <summary>A control client that wants the daemon's messages up to a level (spec 06 §15.7).</summary>
public sealed class LogStream : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly List<string> _messages = [];

    public LogStream(Node node, int level)
    {
        Level = level;
        string cookie = File.ReadAllText(node.PidFile).Split(' ')[1];
        _socket.Connect(new UnixDomainSocketEndPoint(node.PidFile + ".socket"));
        _socket.Send(Encoding.ASCII.GetBytes($"0 ^{cookie} 0\n18 15 {level}\n"));
        new Thread(Receive) { IsBackground = true }.Start();
    }

    public int Level { get; }

    public string[] Messages
    {
        get
        {
            lock (_messages) return [.. _messages];
        }
    }

    public void Dispose() => _socket.Dispose();

    private void Receive()
    {
        try
        {
            using NetworkStream stream = new(_socket);
            while (Line(stream) is { } line)
            {
                if (!line.StartsWith("18 15 ", StringComparison.Ordinal)) continue; // the greeting
                byte[] message = new byte[int.Parse(line.AsSpan(6), CultureInfo.InvariantCulture)];
                stream.ReadExactly(message);
                lock (_messages) _messages.Add(Encoding.UTF8.GetString(message));
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // This is how it ends.
        }
    }

    private static string? Line(NetworkStream stream)
    {
        StringBuilder line = new();
        for (int next = stream.ReadByte(); next >= 0; next = stream.ReadByte())
        {
            if (next == '\n') return line.ToString();
            line.Append((char)next);
        }

        return null;
    }
}
