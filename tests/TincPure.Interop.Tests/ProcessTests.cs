using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>The life of the daemon's process: who it is, what it may do, what the service manager hears of it.</summary>
public sealed partial class ProcessTests(ProcessTests.Outcomes outcomes) : IClassFixture<ProcessTests.Outcomes>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [LabTheory, Trait("Variable", "Sandbox")]
    [InlineData("user")]
    [InlineData("chroot")]
    [InlineData("mlock")]
    [InlineData("sandbox-normal")]
    [InlineData("sandbox-high")]
    [InlineData("activation")]
    [InlineData("notification")]
    [InlineData("bypass-ours")]
    [InlineData("bypass-stock")]
    [InlineData("priority-refused")]
    public Task A_process_lives_as_its_options_say(string story) => outcomes[story];

    public sealed partial class Outcomes : Trials<string, Done>
    {
        protected override IEnumerable<string> Keys =>
        [
            "user", "chroot", "mlock", "sandbox-normal", "sandbox-high", "activation", "notification", "bypass-ours",
            "bypass-stock", "priority-refused",
        ];

        protected override async Task<Done> Run(string key)
        {
            await using Mesh mesh = new(key);
            await (key switch
            {
                "user" => User(mesh),
                "chroot" => Chroot(mesh),
                "mlock" => Mlock(mesh),
                "sandbox-normal" => Sandbox(mesh, "normal"),
                "sandbox-high" => Sandbox(mesh, "high"),
                "activation" => Activation(mesh),
                "notification" => Notification(mesh),
                "bypass-ours" => Bypass(mesh, Make.Ours),
                "bypass-stock" => Bypass(mesh, Make.Stock),
                _ => PriorityRefused(mesh),
            });
            return default;
        }

        private static Task IsReady(Mesh mesh, Node node) =>
            mesh.Until($"{node.Name} is ready", Limit, () => node.Log.Count("^Ready$") == 1);

        private static string Status(Node node, string field) =>
            Regex.Match(File.ReadAllText($"/proc/{node.ProcessId}/status"), $@"^{field}:\s+(.*)$", RegexOptions.Multiline).Groups[1].Value;

        private static string Root(Node node) => new FileInfo($"/proc/{node.ProcessId}/root").LinkTarget ?? "";

        /// <summary>All that follows tinc-up is done as the user; what was opened before stays open.</summary>
        private static async Task User(Mesh mesh)
        {
            Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Stock);
            Mesh.Connect(a, b);
            for (DirectoryInfo? folder = new(a.Folder); folder is not null; folder = folder.Parent) Command.Run("chmod", "o+x", folder.FullName);
            a.Script("host-up", $"id -u >{a.Folder}/cache/who");
            Command.Run("chown", "-R", "nobody", a.Folder).OrThrow();
            b.Start();
            a.Start("-U", "nobody");
            await mesh.EveryoneReachesEveryone(Limit);
            string id = Command.Run("id", "-u", "nobody").OrThrow().Output.Trim();
            Assert.Matches($@"^{id}\s{id}\s{id}\s{id}$", Status(a, "Uid"));
            Assert.Equal("0000000000000000", Status(a, "CapEff"));
            await mesh.Answers(a, b, Limit);
            await mesh.Until("the script has run", Limit, () => File.Exists($"{a.Folder}/cache/who") && File.ReadAllText($"{a.Folder}/cache/who").Trim() == id);
            a.Stop();
            Assert.Equal(0, a.ExitCode);
        }

        /// <summary>The configuration directory is the root from then on: host files, cache and reload are found there.</summary>
        private static async Task Chroot(Mesh mesh)
        {
            Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Ours);
            Mesh.Connect(a, b);
            b.Start();
            await IsReady(mesh, b);
            a.Start("-R");
            await mesh.EveryoneReachesEveryone(Limit);
            Assert.Equal(a.Folder, Root(a));
            await mesh.Answers(a, b, Limit);
            File.AppendAllText(a.HostFilePath("a"), "Subnet = 10.99.0.0/16\n");
            a.Signal("HUP");
            await mesh.Until("the new subnet is known", Limit, () => b.Dump(ControlClient.DumpSubnets).Contains("18 5 10.99.0.0/16 a"));
            Assert.True(File.Exists(Path.Combine(a.Folder, "cache", "b")), mesh.Evidence());
            a.Stop();
            Assert.Equal(0, a.ExitCode);
        }

        private static async Task Mlock(Mesh mesh)
        {
            Node a = mesh.Add("a", Make.Ours);
            a.Start("-L", "-U", "nobody");
            await IsReady(mesh, a);
            Assert.DoesNotMatch(@"^0 kB$", Status(a, "VmLck"));
            a.Stop();
            Assert.Equal(0, a.ExitCode);
        }

        /// <summary>Capabilities are gone and a filter is on for every thread; at the high level no process can be started.</summary>
        private static async Task Sandbox(Mesh mesh, string level)
        {
            bool isHigh = level == "high";
            Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Stock);
            Mesh.Connect(a, b);
            a.Set($"Sandbox = {level}");
            a.Script("host-up", "mount -t tmpfs tmpfs /mnt 2>/dev/null && echo mounted >proof || echo refused >proof");
            a.Script("subnet-up", "echo $NODE >>subnets");
            b.Start();
            a.Start();
            await mesh.EveryoneReachesEveryone(Limit);
            await mesh.Answers(a, b, Limit);
            foreach (string thread in Directory.GetDirectories($"/proc/{a.ProcessId}/task"))
            {
                string status = File.ReadAllText(Path.Combine(thread, "status"));
                Assert.Matches(@"NoNewPrivs:\s+1\s", status);
                Assert.Matches(@"Seccomp:\s+2\s", status);
                // cap_sys_admin is bit 21, cap_sys_ptrace 19, cap_sys_module 16.
                ulong bounding = Convert.ToUInt64(Regex.Match(status, @"CapBnd:\s+(\w+)").Groups[1].Value, 16);
                Assert.Equal(0UL, bounding & ((1UL << 21) | (1UL << 19) | (1UL << 16)));
            }

            Assert.NotEmpty(a.Log.Matching($"^Entered sandbox at level {(isHigh ? 2 : 1)}$"));
            string proof = Path.Combine(a.Folder, "proof");
            if (!isHigh) await mesh.Until("the script has run", Limit, () => File.Exists(proof) && File.ReadAllText(proof) == "refused\n");
            a.Stop();
            Assert.Equal(0, a.ExitCode);
            Assert.Equal(isHigh, !File.Exists(proof));
            // Those of the start have run.
            Assert.Equal("a", File.ReadLines(Path.Combine(a.Folder, "subnets")).First());
            Assert.Empty(a.Log.Matching("exited with non-zero status|failed:"));
        }

        /// <summary>A listening socket comes as descriptor 3; the UDP socket joins it, BindToAddress does not count.</summary>
        private static async Task Activation(Mesh mesh)
        {
            Node a = mesh.Add("a", Make.Ours);
            using Socket listener = a.Host.Namespace.Open(2, 1, 0);
            listener.Bind(new IPEndPoint(IPAddress.Parse(a.Host.IPv4), 7077));
            listener.Listen(5);
            int descriptor = (int)listener.Handle;
            Assert.Equal(0, Inherit(descriptor, SetFlags, 0));
            a.Set("BindToAddress = 192.0.2.77 1234");
            a.Prelude = $"exec 3<&{descriptor}";
            a.Environment["LISTEN_FDS"] = "1";
            a.Start();
            await IsReady(mesh, a);
            Assert.Equal([$"Listening on {a.Host.IPv4} port 7077"], a.Log.Matching("^Listening on "));
            using Socket caller = a.Host.Namespace.Open(2, 1, 0);
            await caller.ConnectAsync(new IPEndPoint(IPAddress.Parse(a.Host.IPv4), 7077));
            await mesh.Until("the connection is seen", Limit, () => a.Log.Count("^Connection from ") == 1);
            string sockets = a.Host.Namespace.Run("ss", "-Huln").OrThrow().Output;
            Assert.Contains($"{a.Host.IPv4}:7077", sockets);
            a.Stop();
        }

        /// <summary>READY, then beats, then STOPPING. A script does not get to see the socket.</summary>
        private static async Task Notification(Mesh mesh)
        {
            Node a = mesh.Add("a", Make.Ours);
            string path = Path.Combine(Path.GetTempPath(), "tp" + Guid.NewGuid().ToString("N")[..8]);
            using Socket manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            manager.Bind(new UnixDomainSocketEndPoint(path));
            manager.ReceiveTimeout = (int)Limit.TotalMilliseconds;
            a.Environment["NOTIFY_SOCKET"] = path;
            a.Environment["WATCHDOG_USEC"] = "2000000";
            a.Script("tinc-down", $"echo \"[$NOTIFY_SOCKET]\" >{a.Folder}/seen");
            a.Start();
            Assert.Equal("READY=1", Hear(manager));
            Assert.Equal("WATCHDOG=1", Hear(manager));
            Assert.Equal("WATCHDOG=1", Hear(manager));
            Assert.NotEmpty(a.Log.Matching("^Watchdog started$"));
            a.Stop();
            string last;
            while ((last = Hear(manager)) == "WATCHDOG=1") { }

            Assert.Equal("STOPPING=1", last);
            Assert.Equal("[]", File.ReadAllText($"{a.Folder}/seen").Trim());
            File.Delete(path);
            await Task.CompletedTask;
        }

        private static string Hear(Socket manager)
        {
            byte[] buffer = new byte[256];
            return Encoding.ASCII.GetString(buffer, 0, manager.Receive(buffer));
        }

        /// <summary>Nothing is proved and nothing encrypted on the meta connection, if both ends want it so.</summary>
        private static async Task Bypass(Mesh mesh, Make other)
        {
            Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", other);
            foreach (Node node in mesh.Nodes)
            {
                // Stock tinc does so only without SPTPS.
                node.Set("ExperimentalProtocol = no");
                Command.Run(Programs.Tinc(Make.Stock), "-c", node.Folder, "generate-rsa-keys", "2048").OrThrow();
            }

            Mesh.Connect(a, b);
            b.Start("--bypass-security");
            await IsReady(mesh, b);
            a.Start("--bypass-security");
            await mesh.EveryoneReachesEveryone(Limit);
            Assert.Empty(a.Log.Matching("METAKEY|CHALLENGE"));
            await mesh.Answers(a, b, Limit);
        }

        /// <summary>A daemon that cannot have the priority that it should have does not start, and takes down what was up.</summary>
        private static async Task PriorityRefused(Mesh mesh)
        {
            Node a = mesh.Add("a", Make.Ours);
            a.Set("ProcessPriority = high");
            a.Script("tinc-down", $"touch {a.Folder}/down");
            // Without the right to be less nice.
            a.Prelude = "c=$1; shift; set -- \"$c\" setpriv --inh-caps -sys_nice --bounding-set -sys_nice \"$@\"";
            a.Start();
            Assert.True(a.WaitForEnd(Limit), mesh.Evidence());
            Assert.Equal(1, a.ExitCode);
            Assert.NotEmpty(a.Log.Matching("^System call `setpriority' failed: "));
            Assert.Equal("Terminating", a.Log.Messages().Last());
            Assert.True(File.Exists($"{a.Folder}/down"));
            await Task.CompletedTask;
        }

        private const int SetFlags = 2; // F_SETFD

        [LibraryImport("libc", EntryPoint = "fcntl")]
        private static partial int Inherit(int descriptor, int command, int flags);
    }
}
