using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace TincPure.Interop.Tests;

/// <summary>A host with a tinc daemon: its configuration folder in tinc's own format, the daemon's process and its log.</summary>
public sealed class Node : IDisposable
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan DumpLimit = TimeSpan.FromSeconds(2);

    private Process? _daemon;

    public Node(string name, int number, Make make, Keys keys, Host host, string folder)
    {
        (Name, Number, Make, Host, Folder) = (name, number, make, host, Path.Combine(folder, name));
        Log = new LogFile(Path.Combine(Folder, "log"));
        Directory.CreateDirectory(Path.Combine(Folder, "hosts"));
        // Stock tinc counts the time for a login from when it last looked at its clock: five seconds are few on a busy machine.
        Set($"Name = {name}", "Interface = vpn", "PingTimeout = 15");
        if (keys.HasFlag(Keys.Ed25519)) Command.Run(Programs.Tinc(Make.Stock), "-c", Folder, "generate-ed25519-keys").OrThrow();
        if (keys.HasFlag(Keys.Rsa)) TakeRsaKey(number);
        HostFile($"Subnet = 10.77.{number}.0/24", $"Subnet = fd77:0:0:{number}::/64");
        Script("tinc-up",
            $"""
            ip -batch - <<COMMANDS
            link set $INTERFACE addrgenmode none
            link set $INTERFACE up
            addr add {IPv4}/16 dev $INTERFACE
            addr add {IPv6}/48 dev $INTERFACE nodad
            COMMANDS
            """);
    }

    // A copy of another's folder, as it is.
    private Node(Node original, Host host, Make make, string folder)
    {
        (Name, Number, Make, Host, Folder) = (original.Name, original.Number, make, host, folder);
        Log = new LogFile(Path.Combine(Folder, "log"));
        Command.Run("cp", "-a", original.Folder, folder).OrThrow();
        foreach (string left in (string[])["log", "console", "pid", "pid.socket", "cache"]) Command.Run("rm", "-rf", Path.Combine(folder, left));
    }

    public string Name { get; }

    public int Number { get; }

    public Make Make { get; private set; }

    public Host Host { get; }

    public string Folder { get; }

    public LogFile Log { get; }

    public string PidFile => Path.Combine(Folder, "pid");

    /// <summary>What the daemon writes elsewhere than in its log.</summary>
    public string ConsolePath => Path.Combine(Folder, "console");

    /// <summary>The addresses inside the VPN.</summary>
    public string IPv4 => $"10.77.{Number}.1";

    public string IPv6 => $"fd77:0:0:{Number}::1";

    public string Inside(bool ipv6) => ipv6 ? IPv6 : IPv4;

    /// <summary>Variables that the daemon is started with.</summary>
    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>What the shell does before it becomes the daemon.</summary>
    public string Prelude { get; set; } = ":";

    public bool Running => _daemon is { HasExited: false };

    public int ProcessId => _daemon!.Id;

    public int ExitCode => _daemon!.ExitCode;

    /// <summary>Uses the RSA key pair of this number, as `tincd -K` would write it.</summary>
    public void TakeRsaKey(int number)
    {
        string path = Path.Combine(Folder, "rsa_key.priv");
        File.WriteAllText(path, "\n" + RsaKeys.Of(number).ExportRSAPrivateKeyPem() + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        HostFile("", RsaKeys.Of(number).ExportRSAPublicKeyPem());
    }

    /// <summary>Adds lines to tinc.conf.</summary>
    public void Set(params string[] lines) => Append(Path.Combine(Folder, "tinc.conf"), lines);

    /// <summary>Gives a variable of tinc.conf another value.</summary>
    public void Change(string variable, string value)
    {
        string path = Path.Combine(Folder, "tinc.conf");
        File.WriteAllLines(path, [.. File.ReadAllLines(path).Where(line => !line.StartsWith(variable)), $"{variable} = {value}"]);
    }

    /// <summary>Puts another line in the place of one in tinc.conf.</summary>
    public void Replace(string line, string other)
    {
        string path = Path.Combine(Folder, "tinc.conf");
        File.WriteAllLines(path, File.ReadAllLines(path).Select(old => old == line ? other : old));
    }

    /// <summary>Adds lines to the node's own host file.</summary>
    public void HostFile(params string[] lines) => Append(HostFilePath(Name), lines);

    public string HostFilePath(string node) => Path.Combine(Folder, "hosts", node);

    public void Script(string name, string body)
    {
        string path = Path.Combine(Folder, name);
        File.WriteAllText(path, "#!/bin/sh\n" + body + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherRead);
    }

    /// <summary>Lets this node have another's host file, with the address where it can be called if asked for.</summary>
    public void Knows(Node other, Underlay? callable = null)
    {
        File.Copy(other.HostFilePath(other.Name), HostFilePath(other.Name), overwrite: true);
        if (callable is { } underlay) Append(HostFilePath(other.Name), [$"Address = {other.Host.Address(underlay)}"]);
    }

    /// <summary>A second node with this one's configuration, on another host.</summary>
    public Node CopyTo(Host host, Make make, string folder) => new(this, host, make, folder);

    /// <summary>Forgets whom to call, and calls this one.</summary>
    public void CallInstead(Node other)
    {
        string path = Path.Combine(Folder, "tinc.conf");
        IEnumerable<string> kept = File.ReadAllLines(path).Where(line => !line.StartsWith("ConnectTo"));
        File.WriteAllLines(path, [.. kept, $"ConnectTo = {other.Name}"]);
    }

    public void Start(params string[] more)
    {
        if (Running) throw new InvalidOperationException($"{Name} runs already");
        // The shell becomes ip, and ip becomes the daemon: one process, which we can signal.
        // Bash, since other shells know descriptors only up to 9.
        ProcessStartInfo start = new("bash", [
            "-c", Prelude + "; console=$1; shift; exec \"$@\" >>\"$console\" 2>&1 </dev/null", "start", ConsolePath,
            "ip", "netns", "exec", Host.Namespace.Name,
            Programs.Tincd(Make), "-c", Folder, "-D", "-d5", $"--pidfile={PidFile}", $"--logfile={Log.Path}", .. more])
        {
            Environment = { ["OPENSSL_CONF"] = Laboratory.Here.OpenSslWithOldCiphers },
        };
        // On more than two processors ours has a packet thread for each direction: every second node believes to be there. (Stock does
        // not care, but scripts see it.)
        if (Number % 2 == 1) start.Environment["DOTNET_PROCESSOR_COUNT"] = "4";
        foreach ((string name, string value) in Environment) start.Environment[name] = value;
        _daemon = Process.Start(start)!;
    }

    /// <summary>Another make takes this node over, with its folder as it is: to be done while no daemon runs.</summary>
    public void ReplaceBy(Make make) => Make = make;

    /// <summary>Runs the daemon's program for something else than running as a daemon.</summary>
    public CommandResult Tincd(params string[] words) =>
        Host.Namespace.Run([Programs.Tincd(Make), "-c", Folder, $"--pidfile={PidFile}", .. words]);

    public void Signal(string signal) =>
        Command.Run("kill", "-" + signal, ProcessId.ToString(CultureInfo.InvariantCulture)).OrThrow();

    /// <summary>Waits for the daemon to end by itself; false if it does not.</summary>
    public bool WaitForEnd(TimeSpan limit) => _daemon!.WaitForExit(limit);

    /// <summary>Asks the daemon to end, as an administrator does.</summary>
    public void Stop()
    {
        Signal("TERM");
        if (!WaitForEnd(StopLimit)) Assert.Fail($"{Name} ({Make}) did not end {StopLimit.TotalSeconds} s after TERM\n{Log.Tail(20)}");
    }

    /// <summary>Ends the daemon without its knowing.</summary>
    public void Kill()
    {
        if (!Running) return;
        _daemon!.Kill();
        _daemon.WaitForExit();
    }

    /// <summary>Runs the tinc program of a make on this node.</summary>
    public CommandResult Tinc(Make make, params string[] words) =>
        Host.Namespace.Run([Programs.Tinc(make), "-c", Folder, $"--pidfile={PidFile}", .. words]);

    /// <summary>What the daemon knows of the nodes by name; nothing while it cannot be asked.</summary>
    public IReadOnlyDictionary<string, NodeState> Nodes() =>
        (Make == Make.Stock10 ? LoggedNodes().Select(NodeState.ParseLogged) : Dump(ControlClient.DumpNodes).Select(NodeState.Parse))
        .ToDictionary(state => state.Name);

    public NodeState? View(Node other) => Nodes().GetValueOrDefault(other.Name);

    public bool Reaches(Node other) => View(other) is { Reachable: true };

    /// <summary>An answer to the control client; stock 1.0, which knows none, gives none.</summary>
    public string[] Dump(int kind)
    {
        if (Make == Make.Stock10) return [];
        try
        {
            return Running && File.Exists(PidFile) ? ControlClient.Dump(PidFile, kind) : [];
        }
        catch (Exception e) when (e is IOException or SocketException or IndexOutOfRangeException)
        {
            return []; // it is just starting or ending
        }
    }

    // Stock 1.0 writes what it knows into its log when it gets a signal (spec 08 §20). Before it is ready that would end it.
    private string[] LoggedNodes()
    {
        const string end = "^End of nodes\\.$";
        if (!Running || Log.Count("^Ready$") == 0) return [];
        int before = Log.Count(end), mark = Log.Mark();
        Signal("USR2");
        Stopwatch watch = Stopwatch.StartNew();
        while (Log.Count(end) == before)
        {
            if (watch.Elapsed > DumpLimit) return [];
            Thread.Sleep(5);
        }

        return Log.Matching("^ .* nexthop .* pmtu ", mark);
    }

    /// <summary>Makes the daemon quiet for a while: at level 5 it writes several lines for each packet.</summary>
    public void SetDebug(int level) => ControlClient.SetDebug(PidFile, level);

    public void Dispose()
    {
        Kill();
        _daemon?.Dispose();
    }

    private static void Append(string path, IEnumerable<string> lines) =>
        File.AppendAllText(path, string.Concat(lines.Select(line => line + "\n")));
}
