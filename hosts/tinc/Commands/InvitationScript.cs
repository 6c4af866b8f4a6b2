using System.ComponentModel;
using System.Diagnostics;
using TincPure.Config;
using TincPure.Host.Process;

namespace TincPure.Tinc.Commands;

/// <summary>The script `invitation-created` (spec 06 §18, step 9).</summary>
internal static class InvitationScript
{
    private const string Name = "invitation-created";

    public static void Run(Session session, string inviter, string invited, string file, string url)
    {
        var script = Locations.Join(session.Locations.ConfBase, OperatingSystem.IsWindows() ? Name + ".bat" : Name);
        if (!Disk.Exists(script))
            return;

        session.Terminal.Fail("Executing script " + Name);
        var start = Command(ByteText.decode(script));
        if (session.Locations.NetName is { } net)
            start.Environment["NETNAME"] = ByteText.decode(net);
        start.Environment["NAME"] = inviter;
        start.Environment["NODE"] = invited;
        start.Environment["INVITATION_FILE"] = ByteText.decode(file);
        start.Environment["INVITATION_URL"] = url;
        try
        {
            var status = Run(session, start);
            if (status != 0)
                session.Terminal.Fail("Script " + Name + " exited with non-zero status " + status);
        }
        catch (Win32Exception e)
        {
            session.Terminal.Fail("System call `system' failed: " + ErrorText.Of(e));
        }
    }

    private static ProcessStartInfo Command(string script)
    {
        var quoted = "\"" + script + "\"";
        var start = OperatingSystem.IsWindows()
            ? new ProcessStartInfo("cmd.exe", "/s /c \"" + quoted + "\"")
            : new ProcessStartInfo("/bin/sh", ["-c", "\"$0\"", script]);
        start.UseShellExecute = false;
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        return start;
    }

    /// <summary>The exit code. What the script says is passed on.</summary>
    private static int Run(Session session, ProcessStartInfo start)
    {
        using var process = System.Diagnostics.Process.Start(start) ?? throw new Win32Exception();
        var errors = new MemoryStream();
        var reading = process.StandardError.BaseStream.CopyToAsync(errors);
        var output = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(output);
        reading.Wait();
        process.WaitForExit();
        session.Terminal.WriteBytes(output.ToArray());
        session.Terminal.WriteErrorBytes(errors.ToArray());
        return process.ExitCode;
    }
}
