using TincPure.Commands;
using TincPure.Config;
using TincPure.Host;
using TincPure.Tinc.Commands;

namespace TincPure.Tinc;

/// <summary>The commands by name, whatever the case.</summary>
internal static class CommandTable
{
    /// <summary>A command gets the words behind its name and its own options, and gives the exit code.</summary>
    public delegate int Command(Session session, string[] words, Switches switches);

    /// <summary>The command of this name in the catalogue.</summary>
    public static Command Find(string name) =>
        name switch
        {
            "start" => Plain(DaemonCommands.Start),
            "stop" => Plain(DaemonCommands.Stop),
            "restart" => Plain(DaemonCommands.Restart),
            "pid" => Plain(DaemonCommands.Pid),
            "reload" => Plain(ControlCommands.Reload),
            "purge" => Plain(ControlCommands.Purge),
            "retry" => Plain(ControlCommands.Retry),
            "debug" => Plain(ControlCommands.Debug),
            "connect" => Plain(ControlCommands.Connect),
            "disconnect" => Plain(ControlCommands.Disconnect),
            "log" => Plain(LogCommand.Run),
            "dump" => DumpCommand.Run,
            "info" => InfoCommand.Run,
            "get" => Plain(ConfigCommands.Get),
            "set" => Plain(ConfigCommands.Set),
            "add" => Plain(ConfigCommands.Add),
            "del" => Plain(ConfigCommands.Delete),
            "config" => Plain(ConfigCommands.Any),
            "init" => Plain(InitCommand.Run),
            "generate-keys" => Plain(KeyCommands.GenerateBoth),
            "generate-rsa-keys" => Plain(KeyCommands.GenerateRsa),
            "generate-ed25519-keys" => Plain(KeyCommands.GenerateEd25519),
            "export" => Plain(ExchangeCommands.Export),
            "export-all" => Plain(ExchangeCommands.ExportAll),
            "import" => Plain(ExchangeCommands.Import),
            "exchange" => Plain(ExchangeCommands.Exchange),
            "exchange-all" => Plain(ExchangeCommands.ExchangeAll),
            "network" => Plain(NetworkCommand.Run),
            "edit" => Plain(EditCommand.Run),
            "fsck" => FsckCommand.Run,
            "invite" => InviteCommand.Run,
            "join" => Plain(JoinCommand.Run),
            "sign" => Plain(SignCommands.Sign),
            "verify" => Plain(SignCommands.Verify),
            "help" => Plain(Help),
            "top" => TopCommand.Run,
            "pcap" => Plain(PcapCommand.Run),
            "version" => Version,
            "ping" => PingCommand.Run,
            "status" => StateCommands.Status,
            "why" => StateCommands.Why,
            "events" => StateCommands.Events,
            "doctor" => DoctorCommand.Run,
            "completion" => Plain(CompletionCommands.Script),
            "complete" => Plain(CompletionCommands.Complete),
            _ => throw new InvalidOperationException(name),
        };

    /// <summary>A command without options of its own.</summary>
    private static Command Plain(Func<Session, string[], int> command) => (session, words, _) => command(session, words);

    /// <summary>Help about a command or a variable, if one is named; the usage text, whatever else stands there.</summary>
    private static int Help(Session session, string[] words)
    {
        if (words is not [var name])
            return ShowUsage(session);
        if (Catalogue.tryFind(name).IsSome)
            return session.Execute([name, "--help"]);
        if (Manual.tryHelp(name) is not { IsSome: true } help)
            return ShowUsage(session);
        session.Terminal.Write(help.Value);
        return 0;
    }

    private static int Version(Session session, string[] words, Switches switches)
    {
        if (words.Length > 0)
            return session.TooManyArguments();
        return switches.Json
            ? session.Print(DumpJson.version(BuildInfo.TincVersion, BuildInfo.Protocol))
            : ShowVersion(session);
    }

    public static int ShowUsage(Session session)
    {
        session.Terminal.Write(Usage.help(session.Program));
        return 0;
    }

    public static int ShowVersion(Session session)
    {
        session.Terminal.WriteLine(ByteText.encode(BuildInfo.VersionText(Features.tinc())));
        return 0;
    }
}
