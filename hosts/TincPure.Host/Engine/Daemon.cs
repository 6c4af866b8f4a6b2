using System.Globalization;
using System.Security.Cryptography;
using Microsoft.FSharp.Collections;
using TincPure.Config;
using TincPure.Host.Devices;
using TincPure.Host.Files;
using TincPure.Host.Linux;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Host.Scripts;
using TincPure.Host.Sockets;
using TincPure.Node;
using TincPure.Primitives;

namespace TincPure.Host.Engine;

/// <summary>What a node is made from, besides its settings.</summary>
internal sealed record Start(
    Settings Settings,
    ConfigurationReader Configuration,
    string PidFile,
    int DebugLevel,
    int AdoptedSockets,
    Rights Rights,
    ServiceManager ServiceManager,
    Logger Log);

/// <summary>A running node with everything around it, from the opened device to the end (spec 05 §6.1, §7.6).</summary>
internal sealed class Daemon(Start start)
{
    private const int EntropySize = 32;

    /// <summary>How often the node's generator gets fresh entropy.</summary>
    private static readonly TimeSpan EntropyInterval = TimeSpan.FromMinutes(10);

    private readonly Logger _log = start.Log;
    private readonly Clock _clock = new();
    private readonly InputQueue _inputs = new();

    /// <summary>Runs until the node leaves; the exit code of the process.</summary>
    /// <exception cref="StartException">The node cannot be started; what was opened has been closed.</exception>
    public int Run()
    {
        RefuseUnknownPort(start.Settings.Own.Port);
        using var device = DeviceOpener.Open(start.Settings, _log);
        var socketSettings = SocketPlan.Settings(start.Settings);
        var listeners = new Listeners(socketSettings, _log);
        var pairs = start.AdoptedSockets > 0
            ? listeners.Adopt(start.AdoptedSockets)
            : listeners.Open(SocketPlan.Listen(start.Settings), start.Settings.Own.Port);
        try
        {
            return Run(device, socketSettings, pairs);
        }
        finally
        {
            foreach (var pair in pairs)
                pair.Dispose();
        }
    }

    /// <summary>A name that is no service. A number that is no port is found when it is used (spec 05 §6.4 step 6).</summary>
    private static void RefuseUnknownPort(string port)
    {
        if (!int.TryParse(port, CultureInfo.InvariantCulture, out _) && !ServicePort.TryParse(port, out _))
            throw new StartException(
                "Error looking up localhost port " + port + ": Servname not supported for ai_socktype", Priority.Warning)
            {
                Variable = "Port",
            };
    }

    private int Run(IDevice device, SocketSettings socketSettings, IReadOnlyList<ListeningPair> pairs)
    {
        var tcp = Locals(pairs.Select(pair => pair.Tcp));
        var udp = Locals(pairs.Select(pair => pair.Udp));

        // Before the pid file of a daemon that runs is overwritten.
        var socketPath = PidFile.SocketPath(start.PidFile);
        ControlSocket.RefuseIfServed(socketPath);
        using var pidFile = PidFile.Write(start.PidFile, PidFile.NewCookie(), tcp.Head);
        using var control = OperatingSystem.IsWindows() ? null : ControlSocket.Open(socketPath);

        using var scripts = new ScriptRunner(ScriptSettings.From(start.Settings), _log);
        // Not closed at the end: a client that asked the daemon to stop waits for the end of the process.
        using var resolver = new Resolver(_inputs);
        var meta = new MetaSockets(_inputs, socketSettings, resolver, _log);
        using var packets = PacketPlane.Of(device, [.. pairs.Select(pair => pair.Udp)], _inputs, _clock, _log);
        var files = new NodeFiles(start.Configuration, start.Settings, _inputs, scripts, meta, _log);
        var privileges = new Privileges(start.Rights, start.Settings, _log) { RootChanged = files.RootChanged };
        var effects = new EffectRunner(
            _log,
            meta,
            packets,
            resolver,
            scripts,
            files,
            new AddressQueries(_inputs),
            privileges);
        var node = new CoreNode(start.Settings, device, pidFile.Cookie, start.DebugLevel, _clock.Now());
        var loop = new ControlLoop(node, _inputs, effects, start.ServiceManager, _clock);

        using var entropy = new Timer(_ => _inputs.Post(Input.NewEntropy(RandomNumberGenerator.GetBytes(EntropySize))));
        entropy.Change(EntropyInterval, EntropyInterval);
        using var signals = new Signals(_inputs);
        packets.Start();
        try
        {
            loop.Start(Input.NewStarted(udp, tcp));
        }
        catch (StartException)
        {
            loop.Abandon();
            throw;
        }

        _log.Umbilical?.Succeed();
        _log.Umbilical = null;
        foreach (var pair in pairs)
            meta.Accept(pair.Tcp);
        if (control is not null)
            meta.Accept(control.Socket);
        using var mapper = new PortMapper(
            start.Settings,
            start.Settings.NetName.IsSome ? "tinc." + start.Settings.NetName.Value : "tinc",
            device.Interface,
            [.. udp.Zip(tcp, (one, other) => ((int)other.Port, (int)one.Port))],
            _log);
        start.ServiceManager.Ready(_log);
        WatchNetwork();

        PauseWatch.Start();
        _log.Audience = line => _inputs.Post(Input.NewSaid(line));
        var exitCode = loop.Run();
        _log.Audience = null;
        start.ServiceManager.Stopping();
        meta.StopAccepting();
        scripts.Finish();
        _log.Write(
            DebugLevel.status,
            Priority.Debug,
            "Garbage was collected " + GC.CollectionCount(0) + " times, in "
                + Milliseconds(GC.GetTotalPauseDuration()) + " ms in all, " + Milliseconds(PauseWatch.Longest) + " ms at most");
        return exitCode;
    }

    private static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("F1", CultureInfo.InvariantCulture);

    private void WatchNetwork()
    {
        if (OperatingSystem.IsLinux())
            NetworkWatch.Start(_inputs);
        else
            System.Net.NetworkInformation.NetworkChange.NetworkAddressChanged +=
                (_, _) => _inputs.Post(Input.NewNetworkChanged(""));
    }

    private static FSharpList<Endpoint> Locals(IEnumerable<System.Net.Sockets.Socket> sockets) =>
        ListModule.OfSeq(sockets.Select(socket => Endpoints.FromSocket(socket.LocalEndPoint)));
}
