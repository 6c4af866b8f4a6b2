using Microsoft.FSharp.Core;
using TincPure.Commands;
using TincPure.Config;
using TincPure.Host;
using TincPure.Host.Engine;
using TincPure.Host.Files;
using TincPure.Host.Linux;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Primitives;

namespace TincPure.Tincd;

/// <summary>From the command line to a running node, in the order of spec 05 §6.1.</summary>
internal sealed class Startup(TincdOptions.Options options, IReadOnlyList<string> arguments)
{
    private const int Failure = 1;

    private readonly string _startDirectory = Environment.CurrentDirectory;

    /// <summary>The service manager has sockets for us, and knows us by our process: no detaching.</summary>
    private readonly bool _isActivated = ServiceManager.TakeListenProcess();

    /// <summary>This is the program started again, without the capabilities that it never needs.</summary>
    private bool _isConfined;

    public int Run()
    {
        NativeHeap.Share();
        if (PlacesOf.Options(options) is not { } places)
            return Failure;

        using var log = new Logger(new StderrSink(), options.DebugLevel);
        try
        {
            var confined = OperatingSystem.IsLinux() ? Confinement.WasDetached() : null;
            _isConfined = confined is not null;
            var isDetached = confined ?? (options.Detach && !_isActivated && Detaching.IsDetachedProcess());
            if (!isDetached && LogFile(places) is { } file)
                log.MoveTo(OpenLogFile(file, places, isDetached));
            return Run(places, log, isDetached);
        }
        catch (StartException e)
        {
            log.Write(DebugLevel.always, e.Priority, e.Message);
            return Failure;
        }
    }

    private int Run(Places places, Logger log, bool isDetached)
    {
        RefuseBadEntries();
        if (options.Net.IsSome && places.NetName is not null && options.Config.IsSome && !_isConfined)
            log.Info("Both netname and configuration directory given, using the latter...");
        if (!OperatingSystem.IsWindows() && options.PidFile.IsNone && Places.WhyStateInaccessible is { } reason)
            log.Warning("Could not access /var/ (" + reason + "), storing pid and socket files in " + places.ConfBase + "/");

        ChangeDirectory(places.ConfBase);
        var configuration = new ConfigurationReader(places.ConfBase, places.NetName, [.. options.Entries]);
        var loaded = configuration.Load();
        if (!_isConfined)
            WriteAll(log, loaded.ReadLog);
        if (!loaded.Readable)
            return Failure;
        if (options.DebugLevel == 0)
            log.Level = loaded.LogLevel;
        if (!loaded.Sandbox.IsNoSandbox && !(OperatingSystem.IsLinux() && Confinement.IsSupported))
            throw new StartException("Sandbox is used but is not supported on this platform");

        if (options.Detach && !_isActivated && !isDetached)
        {
            Detaching.StartDetachedProcess(_startDirectory, arguments);
            return 0;
        }

        if (!loaded.Sandbox.IsNoSandbox && !_isConfined && OperatingSystem.IsLinux())
            StartConfined(isDetached);
        if (isDetached)
            log.Umbilical = Umbilical.FromEnvironment();
        OpenSecondLog(places, log, isDetached);
        log.Notice(
            $"tincd {BuildInfo.TincVersion} ({BuildInfo.BuildTime}) starting, debug level {log.Level}");
        if (options.LockMemory && !OperatingSystem.IsWindows() && Posix.LockAllMemory() is { } failure)
            throw new StartException("System call `mlockall' failed: " + failure);

        var exitCode = RunNode(places, configuration, loaded, log);
        log.Notice("Terminating");
        return exitCode;
    }

    /// <summary>Starts the program again as it was started, but with fewer capabilities; returns if there are none to lose.</summary>
    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private void StartConfined(bool isDetached)
    {
        var folder = Environment.CurrentDirectory;
        Environment.CurrentDirectory = _startDirectory;
        if (_isActivated)
            ServiceManager.PutBackListenProcess();
        Confinement.ShedCapabilities(isDetached);
        Environment.CurrentDirectory = folder;
    }

    private int RunNode(Places places, ConfigurationReader configuration, Loaded loaded, Logger log)
    {
        WriteAll(log, loaded.Log);
        if (loaded.Outcome.IsError)
            return Failure;

        try
        {
            var settings = loaded.Outcome.ResultValue;
            if (options.BypassSecurity)
                settings = SettingsModule.bypassingSecurity(settings);
            using var serviceManager = ServiceManager.FromEnvironment(log);
            var adopted = options.Detach && !_isActivated ? 0 : ServiceManager.TakeListenCount();
            var rights = new Rights(options.User.IsSome ? options.User.Value : null, options.Chroot, options.LockMemory);
            var start = new Start(
                settings, configuration, places.PidFile, log.Level, adopted, rights, serviceManager, log);
            return new Daemon(start).Run();
        }
        catch (StartException e)
        {
            log.Write(DebugLevel.always, e.Priority, e.Message);
            if (e.Variable is { } variable)
                WriteAll(log, Blame(loaded.Outcome.ResultValue, variable, e));
            return Failure;
        }
    }

    /// <summary>Where the files say what does not work.</summary>
    private static IEnumerable<LogLine> Blame(Settings settings, string variable, StartException e)
    {
        var allowed = e.Allowed is { } here
            ? FSharpValueOption<string>.Some(here)
            : FSharpValueOption<string>.None;
        var line = Fault.line(settings, variable, e.Value, allowed);
        return line.IsSome ? [line.Value] : [];
    }

    private void RefuseBadEntries()
    {
        foreach (var (index, entry) in options.Entries.Index())
        {
            var parsed = Syntax.parseOption(index + 1, ByteText.encode(entry));
            if (parsed.IsError)
                throw new StartException(Syntax.errorText(parsed.ErrorValue));
        }
    }

    private static void ChangeDirectory(string directory)
    {
        if (File.Exists(directory))
            throw new StartException("Could not change to configuration directory: Not a directory");

        try
        {
            Environment.CurrentDirectory = directory;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartException("Could not change to configuration directory: " + ErrorText.Of(e));
        }
    }

    /// <summary>Where the log goes for good (spec 05 §2.3).</summary>
    private void OpenSecondLog(Places places, Logger log, bool isDetached)
    {
        if (LogFile(places) is { } file)
        {
            if (isDetached)
                log.MoveTo(OpenLogFile(file, places, isDetached));
        }
        else if (options.Log.IsSyslog || isDetached)
        {
            log.MoveTo(new SyslogSink(places.Identity));
        }
    }

    /// <summary>The log file that is asked for; null if none is.</summary>
    private string? LogFile(Places places)
    {
        if (options.Log is not TincdOptions.LogTarget.LogFile { path: var path })
            return null;
        return path.IsSome ? Path.Combine(_startDirectory, path.Value) : places.LogFile;
    }

    /// <summary>A log that cannot be opened goes elsewhere: a daemon without any log is no use to anybody.</summary>
    private static ILogSink OpenLogFile(string path, Places places, bool isDetached)
    {
        try
        {
            return new FileSink(path, places.Identity);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine("Could not open log file " + path + ": " + ErrorText.Of(e));
            return isDetached ? new SyslogSink(places.Identity) : new StderrSink();
        }
    }

    private static void WriteAll(Logger log, IEnumerable<LogLine> lines)
    {
        foreach (var line in lines)
            log.Write(line);
    }
}
