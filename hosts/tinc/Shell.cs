using TincPure.Commands;

namespace TincPure.Tinc;

/// <summary>Commands from standard input, one a line (spec 06 §3).</summary>
internal sealed class Shell(Session session)
{
    private readonly LineReader? _reader =
        session.Interactive && session.Terminal.CanEditLines ? new LineReader(session.Terminal, session.Completing) : null;

    public int Run()
    {
        var result = 0;
        while (Next() is { } line)
        {
            var words = LineEditor.words(line);
            if (line.StartsWith('#') || words.IsEmpty)
                continue;
            if (words.Head.Equals("exit", StringComparison.OrdinalIgnoreCase)
                || words.Head.Equals("quit", StringComparison.OrdinalIgnoreCase))
                return result;

            if (Catalogue.tryFind(words.Head).IsSome)
                _reader?.Remember(line);
            result |= session.Execute(words);
        }

        if (session.Interactive)
            session.Terminal.Write("\n");
        return result;
    }

    private string? Next()
    {
        var prompt = session.Locations.Identity + "> ";
        if (_reader is not null)
            return _reader.Read(prompt);
        if (session.Interactive)
            session.Terminal.Write(prompt);
        return session.Terminal.ReadLine();
    }
}
