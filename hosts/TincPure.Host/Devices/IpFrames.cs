namespace TincPure.Host.Devices;

/// <summary>Frames of devices that carry bare IP packets: the header in front of them is made up.</summary>
internal static class IpFrames
{
    public const int HeaderSize = 14;

    /// <summary>Writes the header of a frame whose packet is in its place; false if that is neither IPv4 nor IPv6.</summary>
    public static bool TryWriteHeader(Span<byte> frame)
    {
        frame[..12].Clear();
        switch (frame[HeaderSize] >> 4)
        {
            case 4:
                (frame[12], frame[13]) = (0x08, 0x00);
                return true;
            case 6:
                (frame[12], frame[13]) = (0x86, 0xdd);
                return true;
            default:
                return false;
        }
    }

    /// <summary>Does the kernel take this frame? TUN has IP packets only, and TAP nothing shorter than an Ethernet header.</summary>
    public static bool IsFor(bool isTun, ReadOnlySpan<byte> frame) =>
        isTun ? frame.Length > HeaderSize && frame[HeaderSize] >> 4 is 4 or 6 : frame.Length >= HeaderSize;
}
