using TincPure.Commands;
using TincPure.Config;
using TincPure.Host;
using TincPure.Tinc.Commands;

namespace TincPure.Tinc;

/// <summary>The commands by name, whatever the case.</summary>
internal static class CommandTable
{
    /// <summary>A command gets the words behind its name and gives the exit code.</summary>
    public delegate int Command(Session session, string[] arguments);

    public static Command? Find(string name) =>
        name.ToLowerInvariant() switch
        {
            "start" => DaemonCommands.Start,
            "stop" => DaemonCommands.Stop,
            "restart" => DaemonCommands.Restart,
            "pid" => DaemonCommands.Pid,
            "reload" => ControlCommands.Reload,
            "purge" => ControlCommands.Purge,
            "retry" => ControlCommands.Retry,
            "debug" => ControlCommands.Debug,
            "connect" => ControlCommands.Connect,
            "disconnect" => ControlCommands.Disconnect,
            "log" => LogCommand.Run,
            "dump" or "list" => DumpCommand.Run,
            "info" => InfoCommand.Run,
            "get" => ConfigCommands.Get,
            "set" => ConfigCommands.Set,
            "add" => ConfigCommands.Add,
            "del" => ConfigCommands.Delete,
            "config" => ConfigCommands.Any,
            "init" => InitCommand.Run,
            "generate-keys" => KeyCommands.GenerateBoth,
            "generate-rsa-keys" => KeyCommands.GenerateRsa,
            "generate-ed25519-keys" => KeyCommands.GenerateEd25519,
            "export" => ExchangeCommands.Export,
            "export-all" => ExchangeCommands.ExportAll,
            "import" => ExchangeCommands.Import,
            "exchange" => ExchangeCommands.Exchange,
            "exchange-all" => ExchangeCommands.ExchangeAll,
            "network" => NetworkCommand.Run,
            "edit" => EditCommand.Run,
            "fsck" => FsckCommand.Run,
            "invite" => InviteCommand.Run,
            "join" => JoinCommand.Run,
            "sign" => SignCommands.Sign,
            "verify" => SignCommands.Verify,
            "help" => (session, _) => ShowHelp(session),
            "version" => (session, arguments) =>
                arguments.Length == 0 ? ShowVersion(session) : session.TooManyArguments(),
            _ => null,
        };

    public static int ShowHelp(Session session)
    {
        session.Terminal.Write(Usage.help(session.Program));
        return 0;
    }

    public static int ShowVersion(Session session)
    {
        session.Terminal.WriteLine(ByteText.encode(BuildInfo.VersionText));
        return 0;
    }
}
