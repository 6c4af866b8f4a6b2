using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Commands;
using TincPure.Config;
using AddressFamily = System.Net.Sockets.AddressFamily;

namespace TincPure.Tinc.Commands;

/// <summary>`doctor`: finds out what core judges (<see cref="Doctor"/>).</summary>
internal static class DoctorCommand
{
    private const string TunFile = "/dev/net/tun", TunDriver = "/sys/class/misc/tun";

    /// <summary>Not every address of a large mesh is called.</summary>
    private const int MostCalls = 16;

    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(3);

    public static int Run(Session session, string[] words, Switches switches)
    {
        if (words.Length > 1)
            return session.TooManyArguments();
        if (FsckCommand.Name(session, line => session.Terminal.Fail(line)) is not { } name)
            return session.Terminal.Fail("ERROR: tinc cannot run without a valid Name.");

        IReadOnlyList<string> log = [];
        try
        {
            if (words is [var file])
                log = Disk.Read(file).Split('\n');
        }
        catch (DiskException e)
        {
            return session.Terminal.Fail("Could not open " + words[0] + ": " + e.Message);
        }

        var findings = Doctor.examine(Find(session, name, log));
        if (switches.Json)
            session.Print(Doctor.json(findings));
        else
            Print(session, findings);
        return findings.Any(finding => finding.Gravity.IsProblem) ? 1 : 0;
    }

    private static void Print(Session session, FSharpList<DoctorFacts.Finding> findings)
    {
        foreach (var line in findings.SelectMany(Doctor.lines))
            session.Terminal.WriteLine(line);
        if (findings.IsEmpty)
            session.Terminal.WriteLine("Nothing is wrong that can be seen from here.");
    }

    private static DoctorFacts.Facts Find(Session session, string name, IEnumerable<string> log)
    {
        var files = FsckCommand.FilesOf(session, name);
        var picture = Picture(session);
        var calls = DoctorFacts.toCall(files).ToArray();
        var tincUp = Locations.Join(session.Locations.ConfBase, "tinc-up");
        return new DoctorFacts.Facts(
            files,
            OperatingSystem.IsLinux() && DoctorFacts.needsTun(files),
            File.Exists(TunFile),
            Directory.Exists("/sys/class/misc") ? Some(Directory.Exists(TunDriver)) : FSharpValueOption<bool>.None,
            picture.IsSome ? FSharpValueOption<string>.None : PortProblem(DoctorFacts.ownPort(files)),
            DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            Newest(session),
            ListModule.OfSeq(Calls(calls.Take(MostCalls))),
            Math.Max(0, calls.Length - MostCalls),
            Disk.Exists(tincUp) ? Some(FsckCommand.Script(tincUp)) : FSharpValueOption<Fsck.Script>.None,
            picture,
            picture.IsSome ? Links(picture.Value) : MapModule.Empty<string, DoctorFacts.Link>(),
            ListModule.OfSeq(log));
    }

    private static FSharpValueOption<T> Some<T>(T value) => FSharpValueOption<T>.Some(value);

    private static FSharpValueOption<Events.Picture> Picture(Session session)
    {
        try
        {
            return session.Connect(verbose: false) is { } daemon
                ? Some(new Dumps(daemon).Picture())
                : FSharpValueOption<Events.Picture>.None;
        }
        catch (DumpException)
        {
            session.Disconnect();
            return FSharpValueOption<Events.Picture>.None;
        }
    }

    /// <summary>When the newest file of the configuration was written.</summary>
    private static long Newest(Session session)
    {
        var folder = new DirectoryInfo(ByteText.decode(session.Locations.ConfBase));
        var newest = folder.EnumerateFiles("*").Select(file => file.LastWriteTimeUtc).DefaultIfEmpty().Max();
        return new DateTimeOffset(newest, TimeSpan.Zero).ToUnixTimeSeconds();
    }

    /// <summary>Only looked at while no daemon of ours has the port.</summary>
    private static FSharpValueOption<string> PortProblem(string text)
    {
        if (!ushort.TryParse(text, out var port))
            return FSharpValueOption<string>.None;

        try
        {
            using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Any, port));
            return FSharpValueOption<string>.None;
        }
        catch (SocketException e)
        {
            return Some("port " + text + ": " + TincPure.Host.Process.ErrorText.Of(e));
        }
    }

    /// <summary>By node, the link by which our datagrams to it leave, where this system tells.</summary>
    private static FSharpMap<string, DoctorFacts.Link> Links(Events.Picture picture)
    {
        var found = new List<Tuple<string, DoctorFacts.Link>>();
        var interfaces = NetworkInterface.GetAllNetworkInterfaces();
        foreach (var node in picture.Nodes)
        {
            if (IPAddress.TryParse(node.Host, out var address) && Link(interfaces, address) is { } link)
                found.Add(Tuple.Create(node.Name, link));
        }

        return MapModule.OfSeq(found);
    }

    private static DoctorFacts.Link? Link(NetworkInterface[] interfaces, IPAddress target)
    {
        try
        {
            // Nothing is sent: the system only chooses where to send from.
            using var socket = new Socket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(target, 9);
            var source = ((IPEndPoint)socket.LocalEndPoint!).Address;
            foreach (var candidate in interfaces)
            {
                var properties = candidate.GetIPProperties();
                if (!properties.UnicastAddresses.Any(unicast => unicast.Address.Equals(source)))
                    continue;
                var mtu = target.AddressFamily == AddressFamily.InterNetworkV6
                    ? properties.GetIPv6Properties().Mtu
                    : properties.GetIPv4Properties().Mtu;
                return new DoctorFacts.Link(ByteText.encode(candidate.Name), mtu);
            }
        }
        catch (Exception e) when (e is SocketException or NetworkInformationException or PlatformNotSupportedException)
        {
            // Then nothing is known of the link.
        }

        return null;
    }

    /// <summary>Calls nodes that the daemon may connect to, all at once.</summary>
    private static DoctorFacts.Call[] Calls(IEnumerable<(string Node, HostPort Address)> calls) =>
        Task.WhenAll(calls.Select(
            call => Task.Run(() => new DoctorFacts.Call(call.Node, call.Address, Failure(call.Address)))))
            .GetAwaiter().GetResult();

    private static FSharpValueOption<string> Failure(HostPort address)
    {
        if (!ushort.TryParse(address.Port, out var port))
            return Some("its port is no number");

        using var limit = new CancellationTokenSource(CallLimit);
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            socket.ConnectAsync(address.Host, port, limit.Token).AsTask().GetAwaiter().GetResult();
            return FSharpValueOption<string>.None;
        }
        catch (OperationCanceledException)
        {
            return Some("no answer within " + CallLimit.TotalSeconds + " s");
        }
        catch (SocketException e)
        {
            return Some(TincPure.Host.Process.ErrorText.Of(e));
        }
    }
}
