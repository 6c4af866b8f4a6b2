using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>Kernels that refuse what makes packets fast: they travel all the same, and nobody asks twice.</summary>
[Collection(nameof(Alone))]
public class RefusalTests(ITestOutputHelper output)
{
    private const int LinkMtu = 1500;

    [LabTheory]
    [InlineData(Refused.Nothing)]
    [InlineData(Refused.DeviceHeaders)]
    [InlineData(Refused.DeviceOffloads)]
    [InlineData(Refused.DeviceUdpOffloads)]
    [InlineData(Refused.Runs | Refused.Gluing)]
    [InlineData(Refused.DeviceOffloads | Refused.Runs | Refused.Gluing)]
    public async Task Traffic_flows_whatever_the_kernel_refuses(Refused refused)
    {
        await using Mesh mesh = Pairing.OursCallsOurs.Build($"refused{(int)refused}");
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        HeaderJudge?[] judges = [.. mesh.Nodes.Reverse().Select(node => Refusals.Start(refused, () => node.Start()))];
        await mesh.EveryoneReachesEveryone(TimeSpan.FromSeconds(30));
        await mesh.Settle(a, b, TimeSpan.FromSeconds(30));
        foreach (Node node in mesh.Nodes) node.SetDebug(0);

        using DeviceTap into = new(a, outgoing: true), outOf = new(b, outgoing: false);
        using Longest longest = new(b);
        for (int round = 0; round < 2; round++) await Stream(a, b);

        int sentWhole = into.Seen.Count(written => RawPacket.IsSuper(written)), cameWhole = outOf.Seen.Count(written => RawPacket.IsSuper(written));
        output.WriteLine($"{refused}: {sentWhole} super-packets in, {cameWhole} out; datagrams of up to {longest.Bytes} bytes");
        bool hasDevice = (refused & (Refused.DeviceOffloads | Refused.DeviceHeaders)) == 0, hasRuns = hasDevice && !refused.HasFlag(Refused.Runs);
        // Each daemon has asked for headers once, and then not again.
        int? refusals = refused.HasFlag(Refused.DeviceHeaders) ? 1 : null;
        Assert.All(judges, judge => Assert.Equal(refusals, judge?.Refused));
        if (hasDevice) Assert.InRange(sentWhole, 10, int.MaxValue);
        else Assert.Equal(0, sentWhole);
        if (hasRuns) Assert.InRange(longest.Bytes, LinkMtu + 1, int.MaxValue);
        if (refused.HasFlag(Refused.Runs)) Assert.InRange(longest.Bytes, 1, LinkMtu);
        Assert.True(a.Running && b.Running, mesh.Evidence());
    }

    /// <summary>Then packets come and go by way of the C library.</summary>
    [LabFact]
    public async Task Traffic_flows_on_a_processor_whose_system_calls_nobody_knows()
    {
        await using Mesh mesh = Pairing.OursCallsOurs.Build("library");
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        a.Environment["TINCPURE_LIBRARY_CALLS"] = "1";
        await mesh.Start();
        await mesh.Settle(a, b, TimeSpan.FromSeconds(30));
        foreach (Node node in mesh.Nodes) node.SetDebug(0);
        using DeviceTap into = new(a, outgoing: true);
        using Longest longest = new(b);
        await Stream(a, b);
        await Stream(b, a);

        Assert.InRange(into.Seen.Count(written => RawPacket.IsSuper(written)), 10, int.MaxValue);
        Assert.InRange(longest.Bytes, LinkMtu + 1, int.MaxValue);
        // Its epoll_wait is not the same as ours (and on Arm64 there is only one).
        if (RuntimeInformation.ProcessArchitecture == Architecture.X64)
        {
            await Waiting.True("the one waits in the C library", TimeSpan.FromSeconds(5), () => Waits(a).All(number => number == "232"));
            await Waiting.True("the other does not", TimeSpan.FromSeconds(5), () => Waits(b).All(number => number == "281"));
        }
    }

    /// <summary>The system calls that the packet threads wait in.</summary>
    private static string[] Waits(Node node)
    {
        string[] calls = [.. from thread in Directory.GetDirectories($"/proc/{node.ProcessId}/task")
                             where File.ReadAllText(Path.Combine(thread, "comm")).StartsWith("packets")
                             select File.ReadAllText(Path.Combine(thread, "syscall")).Split(' ')[0]];
        Assert.NotEmpty(calls);
        return calls;
    }

    private static async Task Stream(Node from, Node to)
    {
        to.Host.Namespace.Run("iperf3", "-s", "-D", "-1", "-B", to.IPv4).OrThrow();
        await Waiting.True("iperf3 listens", TimeSpan.FromSeconds(5), () => to.Host.Namespace.Run("ss", "-Htln").Output.Contains($"{to.IPv4}:5201"));
        from.Host.Namespace.Run("iperf3", "-c", to.IPv4, "-n", "10M").OrThrow();
    }

    /// <summary>The longest datagram that comes over the wire; what the kernel has still to cut is one.</summary>
    private sealed class Longest : IDisposable
    {
        private const int Packet = 17, Cooked = 2, UdpProtocol = 17;

        private readonly Socket _socket;
        private readonly Thread _reader;
        private volatile int _bytes;
        private volatile bool _ended;

        public Longest(Node at)
        {
            _socket = at.Host.Namespace.Open(Packet, Cooked, BinaryPrimitives.ReverseEndianness((ushort)0x0800));
            _socket.ReceiveTimeout = 200;
            _socket.ReceiveBufferSize = 8 << 20;
            string address = at.Host.IPv4;
            _reader = new Thread(() => Read(System.Net.IPAddress.Parse(address).GetAddressBytes())) { IsBackground = true };
            _reader.Start();
        }

        public int Bytes => _bytes;

        public void Dispose()
        {
            _ended = true;
            _reader.Join();
            _socket.Dispose();
        }

        private void Read(byte[] address)
        {
            byte[] buffer = new byte[70000];
            while (!_ended)
            {
                int count;
                try
                {
                    count = _socket.Receive(buffer);
                }
                catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
                {
                    continue;
                }

                if (count > 20 && buffer[9] == UdpProtocol && buffer.AsSpan(16, 4).SequenceEqual(address)) _bytes = Math.Max(_bytes, count);
            }
        }
    }
}
