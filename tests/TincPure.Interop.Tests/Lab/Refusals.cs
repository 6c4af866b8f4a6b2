namespace TincPure.Interop.Tests;

/// <summary>What a kernel can be made to refuse, as older ones or ones of containers do.</summary>
[Flags]
public enum Refused
{
    Nothing = 0,

    /// <summary>TUNSETOFFLOAD, whatever is asked for.</summary>
    DeviceOffloads = 1,

    /// <summary>TUNSETOFFLOAD with UDP in it, as before Linux 6.2.</summary>
    DeviceUdpOffloads = 2,

    /// <summary>UDP_SEGMENT, as before Linux 4.18.</summary>
    Runs = 4,

    /// <summary>UDP_GRO, as before Linux 5.0.</summary>
    Gluing = 8,

    /// <summary>TUNSETIFF with IFF_VNET_HDR, as before Linux 2.6.27.</summary>
    DeviceHeaders = 16,
}

/// <summary>Starts programs for whom the kernel refuses something.</summary>
internal static class Refusals
{
    private const uint UdpLevel = 17, UdpSegment = 103, UdpGro = 104, SetInterface = 0x400454CA, SetOffload = 0x400454D0, UdpOffloads = 0x60;

    /// <summary>Starts a program. Who refuses it headers, if they are refused, tells how often that was.</summary>
    public static HeaderJudge? Start(Refused refused, Action start)
    {
        SystemCallFilter filter = new();
        if (refused.HasFlag(Refused.Runs)) filter.Refuse(SystemCallFilter.SetOption, UdpLevel, UdpSegment);
        if (refused.HasFlag(Refused.Gluing)) filter.Refuse(SystemCallFilter.SetOption, UdpLevel, UdpGro);
        if (refused.HasFlag(Refused.DeviceOffloads)) filter.Refuse(SystemCallFilter.Ioctl, SetOffload);
        if (refused.HasFlag(Refused.DeviceUdpOffloads)) filter.RefuseAny(SystemCallFilter.Ioctl, SetOffload, UdpOffloads);
        if (!refused.HasFlag(Refused.DeviceHeaders))
        {
            filter.Start(start);
            return null;
        }

        filter.Ask(SystemCallFilter.Ioctl, SetInterface);
        HeaderJudge judge = new();
        judge.Begin(filter.Start(start));
        return judge;
    }
}
