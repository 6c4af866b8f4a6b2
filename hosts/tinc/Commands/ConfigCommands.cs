using Microsoft.FSharp.Collections;
using TincPure.Commands;
using TincPure.Config;
using TincPure.Host.Control;
using TincPure.Host.Files;
using TincPure.Host.Process;

namespace TincPure.Tinc.Commands;

/// <summary>`get`, `set`, `add`, `del` (spec 06 §5).</summary>
internal static class ConfigCommands
{
    private const string TemporarySuffix = ".config.tmp";

    public static int Get(Session session, string[] words) => Run(session, EditConfig.Verb.Get, words);

    public static int Set(Session session, string[] words) => Run(session, EditConfig.Verb.Set, words);

    public static int Add(Session session, string[] words) => Run(session, EditConfig.Verb.Add, words);

    public static int Delete(Session session, string[] words) => Run(session, EditConfig.Verb.Delete, words);

    /// <summary>`config [VERB] ...`.</summary>
    public static int Any(Session session, string[] words)
    {
        if (words.Length == 0)
            return session.WrongNumberOfArguments();

        var verb = EditConfig.configVerb(words[0]);
        return verb.IsSome ? Run(session, verb.Value, words[1..]) : Run(session, EditConfig.Verb.Get, words);
    }

    private static int Run(Session session, EditConfig.Verb verb, string[] words)
    {
        if (words.Length == 0)
            return session.WrongNumberOfArguments();

        var request = EditConfig.check(session.Options.Force, verb, ListModule.OfSeq(words));
        if (request.IsError)
            return Say(session, request.ErrorValue, code: 1);

        if (PortOfDaemon(session, request.ResultValue))
            return 0;

        Say(session, request.ResultValue.Warnings, code: 0);
        return FileOf(session, request.ResultValue) is { } file ? Carry(session, request.ResultValue, file) : 1;
    }

    private static int Say(Session session, IEnumerable<string> lines, int code)
    {
        foreach (var line in lines)
            session.Terminal.Fail(line);
        return code;
    }

    /// <summary>`get Port` tells the port that our daemon really uses, if it runs.</summary>
    private static bool PortOfDaemon(Session session, EditConfig.Request request)
    {
        if (!request.Verb.IsGet || request.Variable != "Port")
            return false;
        if (request.Target is EditConfig.Target.HostFileOf of && of.Item.Text != session.OwnName(verbose: false))
            return false;

        try
        {
            var parsed = Control.parsePidFile(Disk.Read(session.Locations.PidFile));
            if (parsed.IsSome)
            {
                session.Terminal.WriteLine(parsed.Value.Port);
                return true;
            }
        }
        catch (DiskException)
        {
            // No daemon, then.
        }

        session.Terminal.Fail("Could not get port from the pidfile.");
        return false;
    }

    private static string? FileOf(Session session, EditConfig.Request request) =>
        request.Target switch
        {
            { IsServerFile: true } => session.Locations.TincConf,
            EditConfig.Target.HostFileOf of => session.Locations.Host(of.Item.Text),
            _ => session.OwnName(verbose: true) is { } name ? session.Locations.Host(name) : null,
        };

    private static int Carry(Session session, EditConfig.Request request, string file)
    {
        using var held = request.Verb.IsGet ? null : FolderLock.Take(ByteText.decode(session.Locations.ConfBase));
        if (held is null && !request.Verb.IsGet)
            return session.Terminal.Fail("Another program is editing the files in " + session.Locations.ConfBase + ".");

        string text;
        try
        {
            text = Disk.Read(file);
        }
        catch (DiskException e)
        {
            return session.Terminal.Fail("Could not open configuration file " + file + ": " + e.Message);
        }

        switch (EditConfig.apply(request, text))
        {
            case EditConfig.Outcome.Values values:
                foreach (var value in values.Item)
                    session.Terminal.WriteLine(value);
                return 0;
            case EditConfig.Outcome.Nothing nothing:
                return session.Terminal.Fail(nothing.message);
            case EditConfig.Outcome.Rewritten rewritten:
                Say(session, rewritten.warnings, code: 0);
                if (!Replace(session, file, rewritten.text))
                    return 1;
                break;
        }

        session.AskForReload();
        return 0;
    }

    private static bool Replace(Session session, string file, string text)
    {
        try
        {
            AtomicFile.Replace(ByteText.decode(file), System.Text.Encoding.Latin1.GetBytes(text), TemporarySuffix);
            return true;
        }
        catch (Exception e) when (Disk.IsDiskError(e))
        {
            session.Terminal.Fail("Could not open temporary file " + file + TemporarySuffix + ": " + ErrorText.Of(e));
            return false;
        }
    }
}
