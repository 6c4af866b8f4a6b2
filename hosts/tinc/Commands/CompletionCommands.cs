using TincPure.Commands;

namespace TincPure.Tinc.Commands;

/// <summary>`completion`: scripts for shells; `complete`: what those ask for.</summary>
internal static class CompletionCommands
{
    public static int Script(Session session, string[] words)
    {
        if (words is not [var shell])
            return session.WrongNumberOfArguments();

        var script = Completion.script(shell);
        if (script.IsNone)
            return session.Terminal.Fail(
                "No completion for `" + shell + "', only for " + string.Join(", ", Completion.shells) + ".");

        session.Terminal.Write(script.Value);
        return 0;
    }

    /// <summary>The words are those of a command line behind the name of the program, after a `--`.</summary>
    public static int Complete(Session session, string[] words)
    {
        foreach (var word in session.Complete(words is ["--", ..] ? words[1..] : words))
            session.Terminal.WriteLine(word);
        return 0;
    }
}
