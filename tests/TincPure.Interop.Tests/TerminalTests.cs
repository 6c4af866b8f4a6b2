using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>What people see and type: the shell, `top`, `edit` and the prompts, in a real terminal.</summary>
public sealed class TerminalTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tinc-terminal").FullName;

    private string Net => Path.Combine(_folder, "net");

    private string Conf => Path.Combine(Net, "tinc.conf");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private void MakeNode()
    {
        Directory.CreateDirectory(Path.Combine(Net, "hosts"));
        File.WriteAllText(Conf, "Name = alpha\nMode = hub\n");
        foreach (string host in (string[])["alpha", "albert", "beta"]) File.WriteAllText(Path.Combine(Net, "hosts", host), "Port = 1\n");
    }

    private Screen Open(Make make, params string[] words) => Open(make, [], words);

    private Screen Open(Make make, IEnumerable<(string, string)> environment, params string[] words) =>
        new(100, 30, environment, [Programs.Tinc(make), "-c", Net, "--pidfile", Path.Combine(_folder, "pid"), .. words]);

    private static bool ScreenIsMissing => !Command.Works("tmux", "-V");

    [LabFact]
    public async Task The_shell_has_a_prompt_history_and_completion()
    {
        Assert.False(ScreenIsMissing, "tmux is not installed (tests/tools/prepare.sh)");
        MakeNode();
        using Screen screen = Open(Make.Ours);
        await screen.Shows("^tinc> $|^tinc>$");
        screen.Type("get Na");
        screen.Press("Tab", "Enter");
        await screen.Shows("^tinc> get Name");
        await screen.Shows("^alpha$");

        screen.Type("frob");
        screen.Press("Enter");
        await screen.Shows("^Unknown command `frob'.$");

        // Only lines with commands that there are can be called back.
        screen.Press("Up");
        await Waiting.True("the line before comes back", TimeSpan.FromSeconds(10), () => screen.Lines.Count(line => line.StartsWith("tinc> get Name")) == 2);
        screen.Press("C-u");
        screen.Type("info al");
        screen.Press("Tab");
        await screen.Shows("^albert  alpha$");
        screen.Type("p");
        screen.Press("Tab");
        await screen.Shows("^tinc> info alpha$");
        screen.Press("C-c");
        screen.Type("dump conn");
        screen.Press("Tab");
        await screen.Shows("^tinc> dump connections$");
        screen.Press("C-u");
        screen.Type("set beta.Com");
        screen.Press("Tab");
        screen.Type("9");
        screen.Press("Left", "Left", "Right", "End", "Enter");
        await Waiting.True("the file is written", TimeSpan.FromSeconds(10), () => File.ReadAllText(Path.Combine(Net, "hosts", "beta")).Contains("Compression = 9"));
        screen.Press("C-d");
        await screen.Shows("^exit code 1$");
    }

    [LabTheory, InlineData(Make.Stock), InlineData(Make.Ours)]
    public async Task Prompts_ask_and_take_answers(Make make)
    {
        using (Screen screen = Open(make, "init"))
        {
            await screen.Shows("^Enter the Name you want your tinc node to have:");
            screen.Type("alpha");
            screen.Press("Enter");
            await screen.Shows("^exit code 0$");
        }

        Assert.Equal("Name = alpha\n", File.ReadAllText(Conf));
        using (Screen screen = Open(make, "generate-ed25519-keys"))
        {
            await screen.Shows("^Please enter a file to save private Ed25519 key to \\[");
            screen.Press("Enter");
            await screen.Shows("^Please enter a file to save public Ed25519 key to \\[");
            screen.Type(Path.Combine(_folder, "elsewhere"));
            screen.Press("Enter");
            await screen.Shows("^exit code 0$");
        }

        Assert.Contains("Ed25519PublicKey", File.ReadAllText(Path.Combine(_folder, "elsewhere")));
    }

    [LabFact]
    public async Task Fsck_asks_before_it_repairs()
    {
        Command.Run(Programs.Tinc(Make.Ours), "-b", "-c", Net, "init", "alpha").OrThrow();
        string key = Path.Combine(Net, "ed25519_key.priv");
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        using Screen screen = Open(Make.Ours, "fsck");
        await screen.Shows("Fix y/n\\?");
        screen.Type("y");
        screen.Press("Enter");
        await screen.Shows("^exit code 0$");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));
    }

    [LabFact]
    public async Task Edit_runs_the_editor_on_the_terminal_and_leaves_its_file()
    {
        MakeNode();
        string editor = Path.Combine(_folder, "my editor");
        File.WriteAllText(editor, "#!/bin/sh\nprintf 'add a line: '\nread line\necho \"$line\" >>\"$1\"\n");
        File.SetUnixFileMode(editor, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        using Screen screen = Open(Make.Ours, [("VISUAL", editor)], "edit", "tinc.conf");
        await screen.Shows("^add a line:");
        screen.Type("Port = 5");
        screen.Press("Enter");
        await screen.Shows("^exit code 0$");
        Assert.Equal("Name = alpha\nMode = hub\nPort = 5\n", File.ReadAllText(Conf));
    }

    [LabTheory, InlineData(Make.Stock), InlineData(Make.Ours)]
    public async Task Top_of_both_programs_shows_the_same_picture(Make daemon)
    {
        await using Mesh mesh = new($"top-{daemon}");
        Node a = mesh.Add("a", daemon), b = mesh.Add("b", Make.Stock);
        Mesh.Connect(a, b);
        await mesh.Start();
        Screen Top(Make make) =>
            new(100, 30, [], ["ip", "netns", "exec", a.Host.Namespace.Name, Programs.Tinc(make), "-c", a.Folder, $"--pidfile={a.PidFile}", "top"]);

        using Screen stock = Top(Make.Stock), ours = Top(Make.Ours);
        await stock.Shows("^Tinc ");
        await ours.Shows("^Tinc ");
        foreach ((string key, string heading) in ((string, string)[])
            [("n", "name +Current"), ("c", "name +Cumulative"), ("T", "tot pkts +Cumulative"), ("k", "tot pkts")])
        {
            foreach (Screen screen in (Screen[])[stock, ours])
            {
                screen.Press(key);
            }

            string[] first = await Heading(stock, heading), second = await Heading(ours, heading);
            Assert.Equal(first, second);
        }

        ours.Press("s");
        await ours.Shows("^Change delay from 1\\.0s to:");
        Assert.Equal(("Change delay from 1.0s to: ".Length, 1), ours.Cursor);
        ours.Type("0.5");
        ours.Press("Enter");
        await Waiting.True("the question is gone", TimeSpan.FromSeconds(10), () => ours.Lines[1].Length == 0);
        Assert.Contains("\e[7m", ours.Styled);

        ours.Resize(40, 4);
        await Waiting.True("the picture fits", TimeSpan.FromSeconds(10),
            () => ours.Lines.Where(line => line.Length > 0).ToArray() is { Length: <= 3 } lines && lines.All(line => line.Length <= 40) && lines[0].StartsWith("Tinc"),
            () => string.Join('\n', ours.Lines));
        ours.Resize(100, 30);
        await ours.Shows("^b  ");
        foreach (Screen screen in (Screen[])[stock, ours])
        {
            screen.Press("q");
            await screen.Shows("exit code 0$");
        }

        string[] once = a.Tinc(Make.Ours, "top", "--once").OrThrow().Output.Split('\n');
        Assert.Matches(@"^Tinc {18,}Nodes: +2  Sort: name +Current$", once[0]);
        Assert.StartsWith("a  ", once[3]);
        Assert.StartsWith("b  ", once[4]);
    }

    /// <summary>The lines of `top` when the first says this; the numbers are another matter.</summary>
    private static async Task<string[]> Heading(Screen screen, string pattern)
    {
        await screen.Shows("Sort: " + pattern);
        string[] names = [];
        await Waiting.True("both nodes are there", TimeSpan.FromSeconds(10),
            () => (names = [.. screen.Lines.Skip(3).Where(line => line.Length > 0).Select(line => Regex.Replace(line, @"\d+", "#"))]).Length == 2);
        // In the second line stock shows what was typed.
        string[] lines = screen.Lines;
        return [lines[0], lines[2], .. names.Select(line => Regex.Replace(line, " +", " ")).Order()];
    }
}
