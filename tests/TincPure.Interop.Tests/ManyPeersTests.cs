using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>One node sends to many at once: everybody gets a share, and no flow's packets change places.</summary>
[Collection(nameof(Alone))]
public class ManyPeersTests(ITestOutputHelper output)
{
    private const int Inet = 2, Stream = 1, Datagram = 2, Port = 7000, DatagramSize = 300;

    /// <summary>1 if all get the same, 1/n if one gets everything (Jain's index).</summary>
    private const double LeastFairness = 0.7;

    [LabFact]
    public Task Flows_to_several_peers_get_their_shares_in_order() => Share(peers: 6, flowsEach: 2, TimeSpan.FromSeconds(6));

    /// <summary>A hundred flows to fifty peers, each of them a daemon.</summary>
    [SoakFact, Trait("Category", "Soak")]
    public Task A_hundred_flows_to_fifty_peers_get_their_shares_in_order() => Share(peers: 50, flowsEach: 2, TimeSpan.FromMinutes(1));

    private async Task Share(int peers, int flowsEach, TimeSpan time)
    {
        await using Mesh mesh = new($"many{peers}");
        Node hub = mesh.Add("hub", Make.Ours);
        Node[] others = [.. Enumerable.Range(1, peers).Select(number => mesh.Add($"peer{number}", Make.Ours))];
        // The hub is called by all, so it starts first.
        foreach (Node other in others) Mesh.Connect(other, hub);
        hub.Start();
        await mesh.Until("the hub is ready", TimeSpan.FromSeconds(30), () => hub.Log.Matching("^Ready$").Length > 0);
        foreach (Node other in others) other.Start();
        await mesh.EveryoneReachesEveryone(TimeSpan.FromSeconds(60 + 4 * peers));
        foreach (Node node in mesh.Nodes) node.SetDebug(0);
        foreach (Node[] some in others.Chunk(10))
        {
            PingStream[] pings = [.. some.Select(other => new PingStream(hub, other.IPv4, 0.1))];
            await mesh.Until("paths are known", TimeSpan.FromSeconds(60), () => some.All(other => hub.View(other) is { MtuFixed: true }));
            foreach (PingStream stream in pings) await stream.DisposeAsync();
        }

        using CancellationTokenSource end = new();
        List<Flow> flows = [];
        List<Task> work = [];
        foreach (Node other in others)
        {
            for (int i = 0; i < flowsEach; i++)
            {
                Flow flow = new(hub, other, Port + i);
                flows.Add(flow);
                work.Add(Task.Run(() => flow.Send(end.Token)));
                work.Add(Task.Run(() => flow.Receive(end.Token)));
            }
        }

        foreach (Flow flow in flows) flow.Begin();
        Stopwatch watch = Stopwatch.StartNew();
        await Task.Delay(time);
        long[] shares = [.. flows.Select(flow => flow.Bytes)];
        double seconds = watch.Elapsed.TotalSeconds;
        await end.CancelAsync();
        await Task.WhenAll(work);
        foreach (Flow flow in flows) flow.Dispose();

        double fairness = Math.Pow(shares.Sum(), 2) / (shares.Length * shares.Sum(share => (double)share * share));
        output.WriteLine(
            $"{flows.Count} flows to {peers} peers: {shares.Sum() * 8e-6 / seconds:F0} Mbit/s, fairness {fairness:F3}, "
            + $"shares {shares.Min() * 8e-6 / seconds:F1} to {shares.Max() * 8e-6 / seconds:F1} Mbit/s; "
            + $"{flows.Sum(flow => flow.Numbers)} numbered datagrams, {flows.Sum(flow => flow.OutOfOrder)} out of order");
        Assert.Equal(0, flows.Sum(flow => flow.OutOfOrder));
        Assert.All(flows, flow => Assert.InRange(flow.Numbers, 1, long.MaxValue));
        Assert.InRange(fairness, LeastFairness, 1);
    }

    /// <summary>A TCP connection as fast as it goes, and numbered datagrams beside it.</summary>
    private sealed class Flow : IDisposable
    {
        private readonly Socket _listener, _stream, _datagramsOut, _datagramsIn;
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Socket _accepted;
        private long _bytes;

        public Flow(Node from, Node to, int port)
        {
            IPEndPoint target = new(IPAddress.Parse(to.IPv4), port);
            _listener = to.Host.Namespace.Open(Inet, Stream, 0);
            _listener.Bind(target);
            _listener.Listen(1);
            _stream = from.Host.Namespace.Open(Inet, Stream, 0);
            _stream.Connect(target);
            _accepted = _listener.Accept();
            _datagramsIn = to.Host.Namespace.Open(Inet, Datagram, 0);
            _datagramsIn.Bind(target);
            _datagramsOut = from.Host.Namespace.Open(Inet, Datagram, 0);
            _datagramsOut.Connect(target);
        }

        public long Bytes => Interlocked.Read(ref _bytes);

        public long Numbers { get; private set; }

        public long OutOfOrder { get; private set; }

        public void Begin() => _begun.SetResult();

        public async Task Send(CancellationToken end)
        {
            byte[] bytes = new byte[65536], datagram = new byte[DatagramSize];
            await _begun.Task;
            async Task Number()
            {
                for (int number = 1; !end.IsCancellationRequested; number++)
                {
                    BinaryPrimitives.WriteInt32BigEndian(datagram, number);
                    await _datagramsOut.SendAsync(datagram, end);
                    if (number % 4 == 0) await Task.Delay(20, end); // four at once: neighbours, if anything, change places
                }
            }

            async Task Stream()
            {
                while (!end.IsCancellationRequested) await _stream.SendAsync(bytes, end);
            }

            await Ended(Task.WhenAll(Number(), Stream()));
        }

        public async Task Receive(CancellationToken end)
        {
            byte[] bytes = new byte[65536], datagram = new byte[65536];
            async Task Number()
            {
                int last = 0;
                while (!end.IsCancellationRequested)
                {
                    await _datagramsIn.ReceiveAsync(datagram, end);
                    int number = BinaryPrimitives.ReadInt32BigEndian(datagram);
                    if (number <= last) OutOfOrder++;
                    last = number;
                    Numbers++;
                }
            }

            async Task Stream()
            {
                while (!end.IsCancellationRequested) Interlocked.Add(ref _bytes, await _accepted.ReceiveAsync(bytes, end));
            }

            await Ended(Task.WhenAll(Number(), Stream()));
        }

        public void Dispose()
        {
            foreach (Socket socket in (Socket[])[_listener, _accepted, _stream, _datagramsIn, _datagramsOut]) socket.Dispose();
        }

        private static async Task Ended(Task work)
        {
            try
            {
                await work;
            }
            catch (OperationCanceledException)
            {
                // Its time is up.
            }
        }
    }
}
