namespace TincPure.Interop.Tests;

/// <summary>Refuses a program headers in front of its device's packets (IFF_VNET_HDR), as kernels do that have none.</summary>
internal sealed class HeaderJudge : SystemCallJudge
{
    /// <summary>Where flags stand in struct ifreq, and the one that means headers.</summary>
    private const int FlagsOffset = 16;

    private const ushort Headers = 0x4000;

    private int _refused;

    /// <summary>How often headers were wished for, and refused.</summary>
    public int Refused => Volatile.Read(ref _refused);

    protected override long? Decide(Asked call)
    {
        if ((call.Read<ushort>(call.Third + FlagsOffset) & Headers) == 0) return null;
        Interlocked.Increment(ref _refused);
        return InvalidArgument;
    }
}
