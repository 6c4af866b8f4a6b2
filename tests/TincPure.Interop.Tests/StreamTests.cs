using System.Buffers.Binary;
using System.Diagnostics;

namespace TincPure.Interop.Tests;

/// <summary>`pcap` and `log` of either program with either daemon, and what ours concludes from what any daemon tells.</summary>
public sealed class StreamTests
{
    public static readonly TheoryData<Make, Make> Combinations = ControlTests.Combinations;

    [LabTheory, MemberData(nameof(Combinations))]
    public async Task Packets_and_messages_are_streamed(Make daemon, Make tinc)
    {
        await using Mesh mesh = new($"stream-{daemon}-{tinc}");
        Node a = mesh.Add("a", daemon), b = mesh.Add("b", Make.Stock);
        Mesh.Connect(a, b);
        await mesh.Start();
        string capture = Path.Combine(a.Folder, "capture"), log = Path.Combine(a.Folder, "messages");
        using Process pcap = Start(a, tinc, capture, "pcap", "64"), messages = Start(a, tinc, log, "log", "5");
        try
        {
            await mesh.Until("both are connected", TimeSpan.FromSeconds(20), () => a.Dump(ControlClient.DumpConnections).Count(line => line.Contains("<control>")) >= 3);
            await using PingStream pings = new(a, b.IPv4, 0.1);
            await mesh.Until("packets are captured", TimeSpan.FromSeconds(20), () => Packets(capture).Count >= 6);
            await mesh.Until("messages come", TimeSpan.FromSeconds(20), () => File.ReadAllText(log).Contains("Sending packet") || File.ReadAllText(log).Contains("CONTROL"));
        }
        finally
        {
            pcap.Kill(entireProcessTree: true);
            messages.Kill(entireProcessTree: true);
        }

        byte[] header = File.ReadAllBytes(capture)[..24];
        Assert.Equal(0xa1b2c3d4, BinaryPrimitives.ReadUInt32LittleEndian(header));
        Assert.Equal(64u, BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(16)));

        // Echo requests from us and replies from the other, behind an Ethernet header.
        List<byte[]> echoes = [.. Packets(capture).Where(packet => packet.Length == 64 && packet[12] == 8 && packet[13] == 0 && packet[23] == 1)];
        Assert.Contains(echoes, packet => packet[34] == 8);
        Assert.Contains(echoes, packet => packet[34] == 0);
        Assert.True(a.Running, mesh.Evidence());
    }

    [LabTheory, InlineData(Make.Ours), InlineData(Make.Stock)]
    public async Task Status_why_events_and_doctor_work_with_any_daemon(Make daemon)
    {
        await using Mesh mesh = new($"state-{daemon}");
        Node a = mesh.Add("a", daemon), b = mesh.Add("b", Make.Stock);
        Mesh.Connect(a, b);
        await mesh.Start();
        await mesh.Settle(a, b, TimeSpan.FromSeconds(20));
        Assert.Matches("(?m)^b +up +direct UDP +", a.Tinc(Make.Ours, "status").OrThrow().Output);
        string why = a.Tinc(Make.Ours, "why", b.IPv4).OrThrow().Output;
        Assert.Contains("owner:        b\n", why);
        Assert.Contains("transport:    UDP to b at " + b.Host.IPv4, why);
        CommandResult doctor = a.Tinc(Make.Ours, "doctor", "--json");
        Assert.Contains("\"findings\": [", doctor.Output);
        Assert.DoesNotContain("does not answer", doctor.Output);
        Assert.DoesNotContain("No daemon", doctor.Output);

        string log = Path.Combine(a.Folder, "events");
        using Process events = Start(a, Make.Ours, log, "events", "--json");
        try
        {
            await mesh.Until("it looks", TimeSpan.FromSeconds(20), () => a.Dump(ControlClient.DumpConnections).Count(line => line.Contains("<control>")) >= 2);
            await Task.Delay(TimeSpan.FromSeconds(2));
            b.Stop();
            await mesh.Until("the end of b is told", TimeSpan.FromSeconds(20), () => File.ReadAllText(log).Contains("\"event\": \"node-down\", \"node\": \"b\""));
            Assert.Contains("connection-closed", File.ReadAllText(log));
        }
        finally
        {
            events.Kill(entireProcessTree: true);
        }
    }

    private static Process Start(Node node, Make make, string output, params string[] words) =>
        Process.Start(new ProcessStartInfo("sh", [
            "-c", "output=$1; shift; exec \"$@\" >\"$output\"", "start", output,
            "ip", "netns", "exec", node.Host.Namespace.Name, Programs.Tinc(make), "-c", node.Folder, $"--pidfile={node.PidFile}", .. words]))!;

    /// <summary>The packets of a capture that may still grow.</summary>
    private static List<byte[]> Packets(string path)
    {
        byte[] all = File.Exists(path) ? File.ReadAllBytes(path) : [];
        List<byte[]> packets = [];
        for (int at = 24; at + 16 <= all.Length;)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(all.AsSpan(at + 8));
            if (at + 16 + length > all.Length) break;
            packets.Add(all[(at + 16)..(at + 16 + length)]);
            at += 16 + length;
        }

        return packets;
    }
}
