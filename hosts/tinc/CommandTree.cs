using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Microsoft.FSharp.Core;
using TincPure.Commands;

namespace TincPure.Tinc;

/// <summary>The commands and options of the catalogue as System.CommandLine knows them. It reads what core has normalised.</summary>
internal sealed class CommandTree
{
    private static readonly ParserConfiguration Configuration = new()
    {
        // A bare `@file` is an ordinary word.
        ResponseFileTokenReplacer = null,
        EnablePosixBundling = false,
    };

    private readonly Option<bool> _batch = new("--batch") { Description = "Don't ask for anything." };
    private readonly Option<string> _config = new("--config") { Description = "Configuration directory.", HelpName = "DIR" };
    private readonly Option<string> _net = new("--net") { Description = "Name of the network.", HelpName = "NETNAME" };
    private readonly Option<string> _pidFile = new("--pidfile") { Description = "Pid file of tincd.", HelpName = "FILENAME" };
    private readonly Option<bool> _force = new("--force") { Description = "Do it despite warnings." };
    private readonly Option<bool> _version = new("--version") { Description = "Print the version." };
    private readonly Option<bool> _usage = new("--help") { Description = "Print the usage text." };
    private readonly HelpOption _help = new("--help") { Description = "Print this." };
    private readonly RootCommand _root = new("tinc");

    /// <param name="offer">What may stand in the place of a word, for completion.</param>
    public CommandTree(Func<Catalogue.Words, string, IEnumerable<string>> offer)
    {
        _root.Directives.Clear();
        _root.Options.Clear();
        _root.TreatUnmatchedTokensAsErrors = false;
        foreach (var option in new Option[] { _batch, _config, _net, _pidFile, _force, _usage, _version })
            _root.Add(option);
        foreach (var entry in Catalogue.all)
            _root.Add(CommandOf(entry, offer));
    }

    private Command CommandOf(
        Catalogue.Command entry, Func<Catalogue.Words, string, IEnumerable<string>> offer)
    {
        var command = new Command(entry.Name, entry.Summary) { Hidden = entry.Hidden };
        if (entry.Synonym.IsSome)
            command.Aliases.Add(entry.Synonym.Value);
        foreach (var option in entry.Switches)
            command.Add(OptionOf(option));
        command.Add(_help);

        // How many words there may be is for the commands to say, in their own words.
        var words = new Argument<string[]>("words")
        {
            Arity = ArgumentArity.ZeroOrMore,
            HelpName = entry.Usage,
            Hidden = entry.Usage.Length == 0,
        };
        if (!entry.Words.IsNothing)
            words.CompletionSources.Add(context => offer(entry.Words, context.WordToComplete).Select(
                word => new System.CommandLine.Completions.CompletionItem(word)));
        command.Add(words);
        return command;
    }

    private static Option OptionOf(Catalogue.Switch entry) =>
        entry.Value.IsSome
            ? new Option<string>(entry.Name) { Description = entry.Summary, HelpName = entry.Value.Value }
            : new Option<bool>(entry.Name) { Description = entry.Summary };

    public ParseResult Parse(IReadOnlyList<string> normalised) => _root.Parse(normalised, Configuration);

    /// <summary>What may stand in the place of the last word, which may be empty.</summary>
    public IEnumerable<string> Complete(IEnumerable<string> words)
    {
        var line = string.Join(' ', words.Select(word => word.Contains(' ') ? "\"" + word + "\"" : word));
        return _root.Parse(line, Configuration).GetCompletions(line.Length).Select(item => item.InsertText ?? item.Label);
    }

    public TincOptions.Options Options(ParseResult line) =>
        new(Text(line, _config), Text(line, _net), Text(line, _pidFile), line.GetValue(_batch), line.GetValue(_force));

    public bool AsksForVersion(ParseResult line) => line.GetValue(_version);

    public bool AsksForUsage(ParseResult line) => line.GetValue(_usage);

    /// <summary>Asks for help about its command.</summary>
    public bool AsksForHelp(ParseResult line) => line.GetResult(_help) is not null;

    /// <summary>The command that was named; none for none, or for one that is unknown.</summary>
    public Command? Command(ParseResult line) =>
        line.CommandResult.Command is var command && command != _root ? command : null;

    /// <summary>The words behind the command, or the unknown command and what is behind it.</summary>
    public string[] Words(ParseResult line) =>
        Command(line) is { } command
            ? line.GetValue((Argument<string[]>)command.Arguments[0]) ?? []
            : [.. line.UnmatchedTokens];

    /// <summary>The help about a command.</summary>
    public string Help(ParseResult line)
    {
        using var text = new StringWriter { NewLine = "\n" };
        ((HelpAction)_help.Action!).MaxWidth = 100;
        line.Invoke(new InvocationConfiguration { Output = text, ProcessTerminationTimeout = null });
        var usage = line.CommandResult.Command.Arguments[0].HelpName;
        var help = text.ToString().TrimEnd('\n').Replace("[<" + usage + ">...]", usage, StringComparison.Ordinal) + "\n";
        var details = Catalogue.tryFind(line.CommandResult.Command.Name).Value.Details;
        return details.IsEmpty ? help : help + "\n" + string.Concat(details.Select(detail => detail + "\n"));
    }

    private static FSharpValueOption<string> Text(ParseResult line, Option<string> option) =>
        line.GetResult(option) is { Tokens: var tokens }
            ? FSharpValueOption<string>.Some(tokens.Count > 0 ? tokens[^1].Value : "")
            : FSharpValueOption<string>.None;
}
