using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using TincPure.Config;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Node;
using TincPure.Primitives;

namespace TincPure.Host.Scripts;

/// <summary>How scripts are found and run; changes with a reload.</summary>
internal sealed record ScriptSettings(string Directory, string? Interpreter, string Extension)
{
    public static ScriptSettings From(Settings settings) =>
        new(
            settings.ConfBase,
            settings.ScriptsInterpreter.IsSome ? settings.ScriptsInterpreter.Value : null,
            settings.ScriptsExtension);
}

/// <summary>
/// Runs scripts one after the other, in the order in which they were asked for, on a thread of its own: the daemon goes
/// on while they run (spec 05 §8.1).
/// </summary>
internal sealed class ScriptRunner : IDisposable
{
    private const int NotExecutable = 126;

    private readonly BlockingCollection<Action> _queue = [];
    private readonly Thread _thread;
    private readonly Logger _log;

    public ScriptRunner(ScriptSettings settings, Logger log)
    {
        Settings = settings;
        _log = log;
        _thread = new Thread(RunAll) { Name = "scripts", IsBackground = true };
        _thread.Start();
    }

    public ScriptSettings Settings { get; set; }

    public void Start(Script script)
    {
        var settings = Settings;
        _queue.Add(() => Run(script, settings));
    }

    /// <summary>Runs a command in the shell with this text as its input.</summary>
    public void Feed(string command, string input)
    {
        var directory = Settings.Directory;
        _queue.Add(() => Feed(command, input, directory));
    }

    private void Feed(string command, string input, string directory)
    {
        var start = Shell(command);
        start.WorkingDirectory = directory;
        start.RedirectStandardInput = true;
        try
        {
            using var process = System.Diagnostics.Process.Start(start);
            process?.StandardInput.Write(input);
            process?.StandardInput.Close();
            process?.WaitForExit();
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            _log.Error("Unable to open graph dump file |" + command + ": " + ErrorText.Of(e));
        }
    }

    /// <summary>Waits until everything that was asked for has run.</summary>
    public void Finish()
    {
        using var done = new ManualResetEventSlim();
        _queue.Add(done.Set);
        done.Wait();
    }

    private void RunAll()
    {
        foreach (var work in _queue.GetConsumingEnumerable())
            work();
    }

    private void Run(Script script, ScriptSettings settings)
    {
        if (Find(Path.Combine(settings.Directory, script.Name), settings) is not { } path)
            return;

        _log.Write(DebugLevel.status, Priority.Info, "Executing script " + script.Name);
        try
        {
            var status = Run(path, script, settings);
            if (status != 0)
                _log.Error("Script " + script.Name + " exited with non-zero status " + status);
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            _log.Error("System call `system' failed: " + ErrorText.Of(e));
        }
    }

    /// <summary>The file with the extension; on Windows, without a configured one, with one of PATHEXT.</summary>
    private static string? Find(string path, ScriptSettings settings)
    {
        if (!OperatingSystem.IsWindows() || settings.Extension.Length > 0)
            return File.Exists(path + settings.Extension) ? path + settings.Extension : null;

        var extensions = Environment.GetEnvironmentVariable("PATHEXT") ?? ".COM;.EXE;.BAT;.CMD";
        return extensions.Split(';').Select(extension => path + extension).FirstOrDefault(File.Exists);
    }

    private static int Run(string path, Script script, ScriptSettings settings)
    {
        var start = Command(path, settings.Interpreter);
        start.WorkingDirectory = settings.Directory;
        foreach (var (name, value) in script.Environment)
            start.Environment[name] = value;

        using var process = System.Diagnostics.Process.Start(start);
        if (process is null)
            return NotExecutable;
        process.WaitForExit();
        return process.ExitCode;
    }

    /// <summary>What the shell is told: an interpreter may have arguments of its own.</summary>
    private static ProcessStartInfo Command(string path, string? interpreter)
    {
        var quoted = "\"" + path + "\"";
        return Shell(interpreter is null ? quoted : interpreter + " " + quoted);
    }

    private static ProcessStartInfo Shell(string command)
    {
        if (OperatingSystem.IsWindows())
            return new ProcessStartInfo("cmd.exe", "/s /c \"" + command + "\"") { UseShellExecute = false };

        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(command);
        return start;
    }

    public void Dispose()
    {
        _queue.CompleteAdding();
        _thread.Join();
        _queue.Dispose();
    }
}
