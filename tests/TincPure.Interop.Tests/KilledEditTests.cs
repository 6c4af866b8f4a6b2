using System.Diagnostics;

namespace TincPure.Interop.Tests;

/// <summary>Programs that are killed while they write.</summary>
public sealed class KilledEditTests : IDisposable
{
    private const int Attempts = 40;

    private readonly string _folder = Directory.CreateTempSubdirectory("tinc-killed").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [LabFact]
    public void A_program_that_is_killed_leaves_the_old_file_or_the_new_one()
    {
        string conf = Path.Combine(_folder, "tinc.conf"), filler = string.Concat(Enumerable.Range(0, 2000).Select(i => $"# line {i}\n"));
        Directory.CreateDirectory(Path.Combine(_folder, "hosts"));
        File.WriteAllText(conf, "Name = alpha\n" + filler + "PingInterval = 0\n");
        Random random = new(1);
        int value = 0;
        for (int i = 1; i <= Attempts; i++)
        {
            using Process tinc = Process.Start(new ProcessStartInfo(
                Programs.Tinc(Make.Ours), ["-b", "-c", _folder, "--pidfile", Path.Combine(_folder, "none"), "set", "PingInterval", $"{i}"])
            { RedirectStandardError = true })!;
            tinc.WaitForExit(random.Next(20, 200));
            tinc.Kill();
            tinc.WaitForExit();
            string text = File.ReadAllText(conf);
            Assert.True(text == Whole(value) || text == Whole(i), text[Math.Max(0, text.Length - 200)..]);
            if (text == Whole(i)) value = i;
        }

        // Whatever they left behind does not keep the next from its work.
        Assert.Equal(0, Command.Run(Programs.Tinc(Make.Ours), "-b", "-c", _folder, "set", "PingInterval", "99").ExitCode);
        Assert.Equal(Whole(99), File.ReadAllText(conf));

        string Whole(int number) => "Name = alpha\n" + filler + $"PingInterval = {number}\n";
    }
}
