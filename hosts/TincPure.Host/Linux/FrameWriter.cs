using TincPure.Host.Devices;
using TincPure.Routing;

namespace TincPure.Host.Linux;

/// <summary>Writes frames to a TUN or TAP device one by one.</summary>
internal sealed unsafe class FrameWriter(int descriptor, bool isTun) : IFrameWriter
{
    public int Write(Outbox outbox)
    {
        // TUN packets have no Ethernet header.
        var skipped = isTun ? IpFrames.HeaderSize : 0;
        var failure = 0;
        fixed (byte* arena = outbox.Arena)
        {
            foreach (ref readonly var entry in outbox.Entries)
            {
                if (entry.Kind != EntryKind.Device || !IpFrames.IsFor(isTun, outbox.Arena.AsSpan(entry.Offset, entry.Length)))
                    continue;

                var result = SystemCall.Write(descriptor, arena + entry.Offset + skipped, (nuint)(entry.Length - skipped));
                if (result < 0)
                    failure = (int)-result;
            }
        }

        return failure;
    }
}
