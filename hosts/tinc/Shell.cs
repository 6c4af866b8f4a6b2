namespace TincPure.Tinc;

/// <summary>Commands from standard input, one a line (spec 06 §3).</summary>
internal sealed class Shell(Session session)
{
    public int Run()
    {
        var result = 0;
        while (true)
        {
            if (session.Interactive)
                session.Terminal.Write(session.Locations.Identity + "> ");
            if (session.Terminal.ReadLine() is not { } line)
                break;
            if (line.StartsWith('#'))
                continue;

            var words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0)
                continue;
            if (words[0].Equals("exit", StringComparison.OrdinalIgnoreCase)
                || words[0].Equals("quit", StringComparison.OrdinalIgnoreCase))
                return result;
            result |= session.Execute(words);
        }

        if (session.Interactive)
            session.Terminal.Write("\n");
        return result;
    }
}
