using System.Net.Sockets;
using TincPure.Host.Devices;
using TincPure.Host.Linux;
using TincPure.Host.Logs;
using TincPure.Host.Sockets;
using TincPure.Routing;

namespace TincPure.Host.Engine;

/// <summary>The threads that move packets: on Linux one for each direction if there are processors for them, elsewhere one for both.</summary>
internal sealed class PacketPlane : IDisposable
{
    /// <summary>
    /// With less there is always other work for the second processor, and one thread carries more: batches are larger where nobody waits
    /// beside (docs/performance.md).
    /// </summary>
    private const int ProcessorsForTwo = 3;

    private readonly PacketLoop[] _loops;

    private PacketPlane(params PacketLoop[] loops) => _loops = loops;

    public static PacketPlane Of(IDevice device, IReadOnlyList<Socket> sockets, InputQueue inputs, Clock clock, Logger log)
    {
        if (!OperatingSystem.IsLinux())
            return new(new PortablePacketLoop(new CoreForwarder(Duty.Whole), device, sockets, inputs, clock, log));

        if (Environment.ProcessorCount < ProcessorsForTwo)
            return new(new LinuxPacketLoop(new CoreForwarder(Duty.Whole), device, sockets, inputs, clock, log));

        return OfHalves(
            new LinuxPacketLoop(new CoreForwarder(Duty.Sending), device, sockets, inputs, clock, log),
            new LinuxPacketLoop(new CoreForwarder(Duty.Receiving), device, sockets, inputs, clock, log));
    }

    /// <summary>Two threads, of which each leaves to the other what that is to do.</summary>
    internal static PacketPlane OfHalves(PacketLoop sending, PacketLoop receiving)
    {
        (sending.Other, receiving.Other) = (receiving, sending);
        return new(sending, receiving);
    }

    public void Start()
    {
        foreach (var loop in _loops)
            loop.Start();
    }

    /// <summary>Carried out between packets, in order, by whom it is for.</summary>
    public void Post(PacketCommand command)
    {
        foreach (var loop in _loops)
        {
            if (loop.Takes(command))
                loop.Post(command);
        }
    }

    public void Dispose()
    {
        // The halves wake each other: none closes what that takes while the other runs.
        foreach (var loop in _loops)
            loop.Stop();
        foreach (var loop in _loops)
            loop.Dispose();
    }
}
