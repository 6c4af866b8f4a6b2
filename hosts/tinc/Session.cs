using System.CommandLine;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Commands;
using TincPure.Config;
using TincPure.Host.Control;
using TincPure.Primitives;

namespace TincPure.Tinc;

/// <summary>One run of the program: its options, and what its commands share.</summary>
internal sealed class Session(string program, Terminal terminal, Roots roots)
{
    private TincOptions.Options? _options;
    private ControlConnection? _connection;
    private Locations? _locations;
    private CommandTree? _tree;

    public string Program => program;

    public Terminal Terminal => terminal;

    /// <summary>The commands that there are.</summary>
    public CommandTree Tree => _tree ??= new CommandTree(new Offers(this).For);

    public TincOptions.Options Options => _options ?? throw new InvalidOperationException();

    public Locations Locations => _locations ?? throw new InvalidOperationException();

    /// <summary>The user can be asked.</summary>
    public bool Interactive => terminal.Interactive && !Options.Batch;

    /// <summary>The words that tell a daemon which network is meant.</summary>
    public IEnumerable<string> DaemonOptions => TincOptions.forDaemon(Options);

    /// <summary>The daemon's process id as its pid file gives it, where it could be read.</summary>
    public int? KnownPid { get; private set; }

    public string Hint => Usage.hint(program);

    public int Run(string[] arguments)
    {
        var normalised = TincOptions.normalise(program, ListModule.OfSeq(arguments.Select(ByteText.encode)));
        if (normalised.IsError)
        {
            terminal.WriteError(ByteText.encode(normalised.ErrorValue) + "\n" + Hint);
            return 1;
        }

        var line = Tree.Parse([.. normalised.ResultValue]);
        _options = Tree.Options(line);
        if (!Locate())
            return 1;
        if (Tree.AsksForVersion(line))
            return CommandTable.ShowVersion(this);
        if (Tree.AsksForUsage(line))
            return CommandTable.ShowUsage(this);

        return Tree.Command(line) is null && Tree.Words(line).Length == 0
            ? new Shell(this).Run()
            : Finish(Execute(line, fromShell: false));
    }

    /// <summary>What may stand in the place of the last word of a command line.</summary>
    public IReadOnlyList<string> Complete(IReadOnlyList<string> words)
    {
        if (words.Count == 0)
            return [];

        var normalised = TincOptions.normaliseUnfinished(program, ListModule.OfSeq(words.SkipLast(1)));
        if (normalised.IsError)
            return [];

        var before = normalised.ResultValue;
        _options = Tree.Options(Tree.Parse([.. before]));
        return Locate() ? Completing([.. before, words[^1]]) : [];
    }

    /// <summary>The same for a line of the shell.</summary>
    public IReadOnlyList<string> Completing(IReadOnlyList<string> words) =>
        [.. Completion.matching(words[^1], Tree.Complete(words))];

    private int Finish(int code)
    {
        Disconnect();
        return code;
    }

    public void Disconnect()
    {
        _connection?.Dispose();
        _connection = null;
    }

    private bool Locate()
    {
        var net = ValueOption.ToObj(Options.Net) ?? Encoded(Environment.GetEnvironmentVariable("NETNAME"));
        if (net is "" or ".")
            net = null;
        if (net is not null && (net.StartsWith('.') || net.Contains('/') || net.Contains('\\')))
        {
            terminal.Fail("Invalid character in netname!");
            return false;
        }

        var config = ValueOption.ToObj(Options.Config);
        if (net is not null && config is not null)
            terminal.WriteError("Both netname and configuration directory given, using the latter...\n");
        _locations = new Locations(roots, net, config, ValueOption.ToObj(Options.PidFile));
        return true;
    }

    private static string? Encoded(string? text) => text is null ? null : ByteText.encode(text);

    /// <summary>From now on another network is meant: options about places no longer hold.</summary>
    public void SwitchTo(string? netName)
    {
        Disconnect();
        _locations = new Locations(roots, netName, config: null, pidFile: null);
    }

    /// <summary>The network has a name now; options about places still hold.</summary>
    public void AdoptNetName(string netName)
    {
        var config = ValueOption.ToObj(Options.Config);
        if (config is not null)
            terminal.WriteError("Both netname and configuration directory given, using the latter...\n");
        _locations = new Locations(roots, netName, config, ValueOption.ToObj(Options.PidFile));
    }

    /// <summary>Runs a line of the shell; the exit code.</summary>
    public int Execute(IEnumerable<string> words) =>
        Execute(Tree.Parse([.. TincOptions.normaliseLine(ListModule.OfSeq(words))]), fromShell: true);

    private int Execute(ParseResult line, bool fromShell)
    {
        var words = Tree.Words(line);
        if (Tree.Command(line) is not { } command)
            return Unknown(words[0], fromShell);
        if (Tree.AsksForHelp(line))
        {
            terminal.Write(Tree.Help(line));
            return 0;
        }

        return CommandTable.Find(command.Name)(this, words, new Switches(line));
    }

    private int Unknown(string command, bool fromShell)
    {
        terminal.Fail("Unknown command `" + command + "'.");
        var similar = Suggest.line(Catalogue.names, command);
        if (similar.IsSome)
            terminal.Fail(similar.Value);
        if (!fromShell)
            terminal.WriteError(Hint);
        return 1;
    }

    public int Print(Json.Json json)
    {
        terminal.WriteLine(Json.print(json));
        return 0;
    }

    public int Print(IEnumerable<Json.Json> items)
    {
        terminal.WriteLine(Json.printLines(ListModule.OfSeq(items)));
        return 0;
    }

    public int TooManyArguments() => terminal.Fail("Too many arguments!");

    public int WrongNumberOfArguments() => terminal.Fail("Invalid number of arguments.");

    /// <summary>The connection with the daemon, or null, which is explained if `verbose`.</summary>
    public ControlConnection? Connect(bool verbose)
    {
        if (_connection is { IsSpoilt: true })
        {
            terminal.Fail("Previous connection to tincd lost, reconnecting.");
            Disconnect();
        }

        if (_connection is null)
        {
            _connection = ControlConnection.Open(
                ByteText.decode(Locations.PidFile), verbose, text => terminal.Fail(ByteText.encode(text)), out var pid);
            KnownPid = _connection?.Pid ?? pid;
        }

        return _connection;
    }

    /// <summary>Tells a daemon, if there is one, that files have changed.</summary>
    public void AskForReload()
    {
        Connect(verbose: false)?.Send(Control.request(Control.Request.Reload, ListModule.Empty<string>()));

        // The answer does not matter, and must not be taken for that to another request.
        Disconnect();
    }

    /// <summary>Our node's name from tinc.conf, or null, which is explained if `verbose`.</summary>
    public string? OwnName(bool verbose)
    {
        string text;
        try
        {
            text = Disk.Read(Locations.TincConf);
        }
        catch (DiskException e)
        {
            if (verbose)
                terminal.Fail("Could not open " + Locations.TincConf + ": " + e.Message);
            return null;
        }

        var name = OwnNode.name(
            FuncConvert.FromFunc<string, FSharpValueOption<string>>(Variable),
            FSharpResult<string, string>.NewOk(Environment.MachineName),
            Locations.TincConf,
            text);
        if (name.IsOk)
            return name.ResultValue.Text;

        if (verbose)
            terminal.WriteError(ByteText.encode(name.ErrorValue));
        return null;
    }

    private static FSharpValueOption<string> Variable(string name) =>
        Environment.GetEnvironmentVariable(name) is { } text
            ? FSharpValueOption<string>.Some(text)
            : FSharpValueOption<string>.None;

    public static bool IsNodeName(string text) => NodeNameModule.tryParse(text).IsSome;
}
