using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Crypto;
using TincPure.Primitives;
using TincPure.Sptps;
using Base64 = TincPure.Primitives.Base64;
using Stream = TincPure.Sptps.Stream;

namespace TincPure.Interop.Tests;

/// <summary>
/// A peer with a proper key that says what it likes: it connects to a daemon, logs in, and sends lines as it is told. It
/// keeps what it hears.
/// </summary>
public sealed class Impostor : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private readonly Ed25519.KeyPair _key;
    private readonly string _name;
    private readonly List<string> _heard = [];
    private readonly Queue<byte> _received = [];
    private Socket? _socket;
    private Stream.Session? _session;
    private int _blockToCome;
    private bool _packetToCome;

    public Impostor(string name) : this(name, Ed25519.generate(RandomNumberGenerator.GetBytes(32)))
    {
    }

    private Impostor(string name, Ed25519.KeyPair key) => (_name, _key) = (name, key);

    public string Name => _name;

    public string Address => _socket!.LocalEndPoint is IPEndPoint point ? $"{point.Address} port {point.Port}" : "";

    /// <summary>The requests heard so far, without newlines; of packets between them only the size.</summary>
    public IReadOnlyList<string> Heard => _heard;

    /// <summary>Whether the daemon has ended the connection. Stock tinc often does not, though it does not listen any more.</summary>
    public bool HungUp { get; private set; }

    /// <summary>The same peer, for another connection.</summary>
    public Impostor Again() => new(_name, _key);

    /// <summary>Makes a node expect this peer.</summary>
    public void IntroduceTo(Node node) =>
        File.WriteAllText(node.HostFilePath(_name), $"Ed25519PublicKey = {Base64.encode(_key.Public)}\n");

    /// <summary>Connects from a host and stays before the ACK of both sides has gone over.</summary>
    public void LogIn(Host from, Node to)
    {
        string publicKey = File.ReadLines(to.HostFilePath(to.Name)).First(line => line.StartsWith("Ed25519PublicKey"))[^43..];
        _socket = from.Namespace.Open(2, 1, 0);
        _socket.NoDelay = true;
        _socket.ReceiveTimeout = (int)Limit.TotalMilliseconds;
        _socket.Connect(IPAddress.Parse(to.Host.IPv4), 655);
        _socket.Send(Encoding.ASCII.GetBytes($"0 {_name} 17.7\n"));
        _ = ReadLine();
        NodeName own = NodeNameModule.tryParse(_name).Value, peer = NodeNameModule.tryParse(to.Name).Value;
        (FSharpList<byte[]> records, Stream.Session session) = Stream.start(
            Random(),
            new Handshake.Parameters(Handshake.Role.Initiator, _key, Base64.decode(publicKey).Value, Handshake.Label.meta(own, peer)));
        _session = session;
        Write(records);
        while (!Stream.isEstablished(_session)) Read();
        SendLine("4 655 1 700000c");
        while (!_heard.Any(line => line.StartsWith("4 "))) Read();
    }

    /// <summary>Sends a request, in a record of its own.</summary>
    public void SendLine(string line) => SendRecord(Encoding.ASCII.GetBytes(line + "\n"));

    public void SendRecord(byte[] data)
    {
        FSharpResult<ValueTuple<byte[], Stream.Session>, Error> sealed_ = Stream.send(0, data, _session!);
        _session = sealed_.ResultValue.Item2;
        _socket!.Send(sealed_.ResultValue.Item1);
    }

    /// <summary>Sends bytes past the session.</summary>
    public void SendRaw(byte[] bytes) => _socket!.Send(bytes);

    /// <summary>Listens for a while, or until what was waited for is there: whether it is.</summary>
    public bool Listen(TimeSpan limit, Func<bool> enough)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (!enough())
        {
            TimeSpan left = limit - watch.Elapsed;
            if (HungUp || left <= TimeSpan.Zero || (_received.Count == 0 && !_socket!.Poll(left, SelectMode.SelectRead))) return false;
            try
            {
                Read();
            }
            catch (Exception e) when (e is SocketException or EndOfStreamException)
            {
                HungUp = true;
            }
        }

        return true;
    }

    /// <summary>Listens until a request is heard; fails if none comes or the peer hangs up.</summary>
    public string Hear(Func<string, bool> wanted)
    {
        int from = 0;
        while (true)
        {
            for (; from < _heard.Count; from++) if (wanted(_heard[from])) return _heard[from];
            Read();
        }
    }

    /// <summary>Whether the peer hangs up, or at least says nothing more (stock tinc keeps such connections open in silence).</summary>
    public bool IsLeftAlone()
    {
        try
        {
            int heard = _heard.Count;
            SendLine("8");
            _socket!.ReceiveTimeout = 1000;
            while (true)
            {
                Read();
                if (_heard.Skip(heard).Contains("9")) return false;
            }
        }
        catch (Exception e) when (e is SocketException or EndOfStreamException)
        {
            return true;
        }
    }

    public void Dispose() => _socket?.Dispose();

    private static byte[] Random() => RandomNumberGenerator.GetBytes(Handshake.RandomSize);

    private string ReadLine()
    {
        while (!_received.Contains((byte)'\n')) Fill();
        StringBuilder line = new();
        while (_received.Dequeue() is var b && b != '\n') line.Append((char)b);
        return line.ToString();
    }

    private void Read()
    {
        if (_received.Count == 0) Fill();
        if (_blockToCome > 0)
        {
            ReadBlock();
            return;
        }

        byte[] input = [.. _received];
        Stream.Received received = Stream.receive(Random(), input, _session!).ResultValue;
        _session = received.Session;
        for (int i = 0; i < received.Consumed; i++) _received.Dequeue();
        Write(received.Outgoing);
        if (received.Event is { IsSome: true, Value: Stream.Event.Record record }) Take(record.data);
    }

    // A packet follows its announcement in a record of its own, a sealed one past the session (spec 02 §3.3).
    private void Take(byte[] record)
    {
        if (_packetToCome)
        {
            _packetToCome = false;
            _heard.Add($"<packet of {record.Length} bytes>");
            return;
        }

        string line = Encoding.ASCII.GetString(record).TrimEnd('\n');
        _heard.Add(line);
        _packetToCome = line.StartsWith("17 ", StringComparison.Ordinal);
        if (line.StartsWith("21 ", StringComparison.Ordinal)) _blockToCome = int.Parse(line[3..], CultureInfo.InvariantCulture);
    }

    private void ReadBlock()
    {
        for (; _blockToCome > 0 && _received.Count > 0; _blockToCome--) _received.Dequeue();
        if (_blockToCome == 0) _heard.Add("<sealed packet>");
    }

    private void Fill()
    {
        byte[] buffer = new byte[65536];
        int count = _socket!.Receive(buffer);
        if (count == 0) throw new EndOfStreamException("the daemon hung up");
        foreach (byte b in buffer.AsSpan(0, count)) _received.Enqueue(b);
    }

    private void Write(FSharpList<byte[]> records)
    {
        foreach (byte[] record in records) _socket!.Send(record);
    }
}
