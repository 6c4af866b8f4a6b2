using System.ComponentModel;
using System.Diagnostics;
using TincPure.Config;
using TincPure.Host.Process;

namespace TincPure.Tinc.Commands;

/// <summary>`edit`: an editor for a file of the configuration (spec 06 §12).</summary>
internal static class EditCommand
{
    private const string HostsPrefix = "hosts/";

    private static readonly string[] ServerFiles =
        ["tinc.conf", "tinc-up", "tinc-down", "subnet-up", "subnet-down", "host-up", "host-down"];

    public static int Run(Session session, string[] arguments)
    {
        if (arguments is not [var name])
            return session.WrongNumberOfArguments();
        if (FileNamed(session.Locations, name) is not { } file)
            return session.Terminal.Fail("Invalid configuration filename.");

        if (!Edit(session, file))
            return 1;

        session.AskForReload();
        return 0;
    }

    /// <summary>Lets the user edit a file; false if the editor failed.</summary>
    public static bool Edit(Session session, string file)
    {
        session.Terminal.Flush();
        var editor = Editor;
        try
        {
            using var process = System.Diagnostics.Process.Start(
                new ProcessStartInfo(editor, [ByteText.decode(file)]) { UseShellExecute = false });
            process?.WaitForExit();
            return process is { ExitCode: 0 };
        }
        catch (Win32Exception e)
        {
            session.Terminal.Fail("Could not start " + ByteText.encode(editor) + ": " + ErrorText.Of(e));
            return false;
        }
    }

    private static string Editor =>
        OperatingSystem.IsWindows()
            ? "edit"
            : Environment.GetEnvironmentVariable("VISUAL")
                ?? Environment.GetEnvironmentVariable("EDITOR")
                ?? "vi";

    /// <summary>A file of the server, a host file, or a script of a host.</summary>
    private static string? FileNamed(Locations places, string name)
    {
        if (ServerFiles.Contains(name))
            return Locations.Join(places.ConfBase, name);

        if (name.StartsWith(HostsPrefix, StringComparison.Ordinal))
            name = name[HostsPrefix.Length..];
        var dash = name.IndexOf('-');
        var node = dash < 0 ? name : name[..dash];
        var isScript = dash >= 0 && name[(dash + 1)..] is "up" or "down";
        return Session.IsNodeName(node) && (dash < 0 || isScript) ? places.Host(name) : null;
    }
}
