using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace TincPure.Interop.Tests;

/// <summary>Forged datagrams from one host to the daemon of another, a great many of them.</summary>
internal sealed class Flood : IDisposable
{
    /// <summary>After a pause of ours no more than this part of a second is made good at once: it must not be that which fills a buffer.</summary>
    private const int PartOfSecond = 200;

    private readonly Socket _socket;
    private ushort _number;

    public Flood(Host from, Host to)
    {
        _socket = from.Namespace.Open(ForgedDatagram.Inet, ForgedDatagram.Raw, ForgedDatagram.RawProtocol);
        _socket.Connect(new IPEndPoint(IPAddress.Parse(to.IPv4), 0));
    }

    /// <summary>Sends these datagrams again and again, each in its packets. Tells how many were sent.</summary>
    public long Pour(byte[][][] datagrams, int? perSecond, TimeSpan time) => Repeat(perSecond, time, i => Send(datagrams[i % datagrams.Length]));

    /// <summary>Does something so many times a second, or as often as it goes. Tells how many times that was.</summary>
    public static long Repeat(int? perSecond, TimeSpan time, Action<long> act)
    {
        Stopwatch watch = Stopwatch.StartNew();
        long done = 0;
        while (watch.Elapsed < time)
        {
            long due = perSecond is { } rate ? Math.Min((long)(watch.Elapsed.TotalSeconds * rate), done + Math.Max(1, rate / PartOfSecond)) : done + 1;
            for (; done < due; done++) act(done);
            if (perSecond is not null) Thread.Sleep(1);
        }

        return done;
    }

    public void Dispose() => _socket.Dispose();

    private void Send(byte[][] packets)
    {
        if (++_number == 0) _number = 1; // for 0 the kernel takes another number, each time
        foreach (byte[] packet in packets)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(ForgedDatagram.NumberOffset), _number);
            _socket.Send(packet);
        }
    }
}
