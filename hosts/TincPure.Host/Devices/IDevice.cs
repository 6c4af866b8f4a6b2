using TincPure.Routing;

namespace TincPure.Host.Devices;

/// <summary>How a read of a device ended.</summary>
internal enum DeviceRead
{
    /// <summary>Nothing more at the moment, or the batch is full.</summary>
    Done,

    /// <summary>A read failed; the next may succeed.</summary>
    Failed,

    /// <summary>The device is gone and will not come back.</summary>
    Gone,
}

/// <summary>
/// A virtual network interface. Frames are Ethernet-shaped (spec 07 §1.1); both MAC addresses are zero where the device
/// is layer 3.
/// </summary>
internal interface IDevice : IDisposable
{
    /// <summary>DEVICE of scripts.</summary>
    string Path { get; }

    /// <summary>INTERFACE of scripts.</summary>
    string Interface { get; }

    /// <summary>What messages call it.</summary>
    string Description { get; }

    /// <summary>The host's own address on a layer 2 device, 48 bits; null where frames carry no addresses.</summary>
    ulong? EthernetAddress { get; }

    /// <summary>The descriptor to wait on; -1 if nothing ever comes from this device.</summary>
    int Handle { get; }

    /// <summary>Fills the batch with what is there, without waiting; on failure <paramref name="errno"/> says why.</summary>
    DeviceRead Read(FrameBatch batch, out int errno);

    /// <summary>What writes to it. Each thread that does has one of its own.</summary>
    IFrameWriter NewWriter();
}

/// <summary>Writes frames to a device.</summary>
internal interface IFrameWriter
{
    /// <summary>
    /// Writes every frame among the entries of the outbox, in order, and may change it; the error number of the last
    /// that failed, or 0.
    /// </summary>
    int Write(Outbox outbox);
}
