using TincPure.Routing;

namespace TincPure.Host.Devices;

/// <summary>A device that never delivers anything and swallows everything (spec 07 §4).</summary>
internal sealed class DummyDevice : IDevice, IFrameWriter
{
    public string Path => "dummy";

    public string Interface => "dummy";

    public string Description => "dummy device";

    public ulong? EthernetAddress => null;

    public int Handle => -1;

    public DeviceRead Read(FrameBatch batch, out int errno)
    {
        errno = 0;
        return DeviceRead.Done;
    }

    public IFrameWriter NewWriter() => this;

    public int Write(Outbox outbox) => 0;

    public void Dispose() { }
}
