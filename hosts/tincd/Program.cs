using Microsoft.FSharp.Collections;
using TincPure.Commands;
using TincPure.Host;
using TincPure.Host.Linux;
using TincPure.Host.Process;
using TincPure.Tincd;

Signals.Heed();
var parsed = TincdOptions.parse(ProgramName.AsStarted, ListModule.OfSeq(args));
if (parsed.IsError)
{
    foreach (var line in parsed.ErrorValue)
        Console.Error.WriteLine(line);
    return 1;
}

var options = parsed.ResultValue;
if (options.Show.IsVersion)
{
    Console.WriteLine(BuildInfo.VersionText(Features.daemon(
        sandbox: OperatingSystem.IsLinux() && Confinement.IsSupported, watchdog: OperatingSystem.IsLinux())));
    return 0;
}

if (options.Show.IsHelp)
{
    Console.WriteLine(TincdOptions.help(ProgramName.AsStarted));
    return 0;
}

return options.Task switch
{
    TincdOptions.Task.SignalDaemon task => new KillTask(options, task.signal).Run(),
    TincdOptions.Task.GenerateKeys task => new KeysTask(options, task.bits).Run(),
    _ => new Startup(options, args).Run(),
};
