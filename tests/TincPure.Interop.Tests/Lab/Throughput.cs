using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace TincPure.Interop.Tests;

/// <summary>What iperf3 got through the tunnel.</summary>
public sealed record Throughput(double MegabitsPerSecond, long Retransmits)
{
    public static async Task<Throughput> Measure(Node from, Node to, TimeSpan time)
    {
        using Process server = Process.Start(new ProcessStartInfo(
            "ip", ["netns", "exec", to.Host.Namespace.Name, "iperf3", "-s", "-1", "-B", to.IPv4])
        {
            RedirectStandardOutput = true,
        })!;
        server.OutputDataReceived += (_, _) => { };
        server.BeginOutputReadLine();
        try
        {
            string listening = $"{to.IPv4}:5201";
            await Waiting.True("iperf3 listens", TimeSpan.FromSeconds(5), () => to.Host.Namespace.Run("ss", "-Htln").Output.Contains(listening));
            string seconds = Math.Ceiling(time.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            CommandResult result = from.Host.Namespace.Run("iperf3", "-J", "-t", seconds, "-c", to.IPv4).OrThrow();
            JsonElement end = JsonDocument.Parse(result.Output).RootElement.GetProperty("end");
            return new Throughput(
                end.GetProperty("sum_received").GetProperty("bits_per_second").GetDouble() / 1e6,
                end.GetProperty("sum_sent").GetProperty("retransmits").GetInt64());
        }
        finally
        {
            if (!server.HasExited) server.Kill();
        }
    }
}
