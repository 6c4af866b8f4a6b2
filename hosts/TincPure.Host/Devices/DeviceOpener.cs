using TincPure.Config;
using TincPure.Host.Linux;
using TincPure.Host.Logs;
using TincPure.Host.Process;

namespace TincPure.Host.Devices;

/// <summary>Opens the device that the configuration asks for (spec 07 §2).</summary>
internal static class DeviceOpener
{
    /// <exception cref="StartException">It cannot be opened.</exception>
    public static IDevice Open(Settings settings, Logger log)
    {
        var device = settings.DeviceType.IsDummy ? new DummyDevice() : OpenNative(settings, log);
        log.Info(
            device is DummyDevice
                ? "dummy (dummy) is a dummy device"
                : device.Path + " is a " + device.Description);
        return device;
    }

    private static IDevice OpenNative(Settings settings, Logger log)
    {
        var isTap = settings.DeviceType.IsTap;
        if (!(settings.DeviceType.IsTun || isTap) || !OperatingSystem.IsLinux())
            throw new StartException("Unknown device type " + NameOf(settings.DeviceType) + "!")
            {
                Variable = "DeviceType",
                Allowed = OperatingSystem.IsLinux() ? "tun, tap, dummy" : "dummy",
            };
        if (!isTap && !settings.Mode.IsRouter)
            throw new StartException("Only tap devices support switch mode!")
            {
                Variable = "DeviceType",
                Allowed = "tap, or Mode = router",
            };

        var path = settings.Device.IsSome ? settings.Device.Value : TunTap.DefaultPath;
        var name =
            settings.Interface.IsSome ? settings.Interface.Value
            : settings.NetName.IsSome ? settings.NetName.Value
            : "";
        return isTap
            ? TunTapDevice.OpenTap(path, name, settings.IffOneQueue, log)
            : TunTapDevice.OpenTun(path, name, settings.IffOneQueue);
    }

    /// <summary>The type as the configuration spells it.</summary>
    private static string NameOf(DeviceType type) =>
        type.Tag switch
        {
            DeviceType.Tags.Tun => "tun",
            DeviceType.Tags.Tap => "tap",
            DeviceType.Tags.Dummy => "dummy",
            DeviceType.Tags.RawSocket => "raw_socket",
            DeviceType.Tags.MulticastSocket => "multicast",
            DeviceType.Tags.FileDescriptor => "fd",
            DeviceType.Tags.UserModeLinux => "uml",
            DeviceType.Tags.VirtualDistributedEthernet => "vde",
            DeviceType.Tags.TunNoHead => "tunnohead",
            DeviceType.Tags.TunIfHead => "tunifhead",
            DeviceType.Tags.UserTun => "utun",
            _ => "tunemu",
        };
}
