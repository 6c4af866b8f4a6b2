namespace TincPure.Interop.Tests;

/// <summary>Shells that complete command lines of `tinc`, each with its own script and in its own way.</summary>
public sealed class CompletionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tinc-completion").FullName;

    public CompletionTests()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "hosts"));
        Directory.CreateDirectory(Path.Combine(_folder, "bin"));
        File.WriteAllText(Path.Combine(_folder, "tinc.conf"), "Name = alpha\n");
        foreach (string host in (string[])["alpha", "albert", "beta"]) File.WriteAllText(Path.Combine(_folder, "hosts", host), "");
        File.CreateSymbolicLink(Path.Combine(_folder, "bin", "tinc"), Programs.Tinc(Make.Ours));
    }

    /// <summary>Lines up to the place of completion, and what may stand there.</summary>
    public static readonly TheoryData<string, string> Lines = new()
    {
        { "tinc ge", "generate-ed25519-keys generate-keys generate-rsa-keys get" },
        { "tinc -c NET info al", "albert alpha" },
        { "tinc -c NET set beta.Por", "beta.Port" },
        { "tinc -c NET dump sub", "subnets" },
        { "tinc completion f", "fish" },
        { "tinc pin", "ping" },
    };

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private (string, string)[] Environment =>
        [("PATH", Path.Combine(_folder, "bin") + ":" + System.Environment.GetEnvironmentVariable("PATH")), ("HOME", _folder), ("LC_ALL", "C")];

    private string Filled(string line) => line.Replace("NET", _folder);

    private static string Sorted(string words) =>
        string.Join(' ', words.Split([' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));

    private CommandResult Run(params string[] words) =>
        Command.Run(["env", .. Environment.Select(variable => variable.Item1 + "=" + variable.Item2), .. words]);

    [LabTheory, MemberData(nameof(Lines))]
    public void Bash_completes(string line, string expected)
    {
        const string script = "eval \"$(tinc completion bash)\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _tinc; echo \"${COMPREPLY[*]}\"";
        Assert.Equal(expected, Sorted(Run(["bash", "-c", script, "bash", .. Filled(line).Split(' ')]).OrThrow().Output));
    }

    [LabTheory, MemberData(nameof(Lines))]
    public void Fish_completes(string line, string expected)
    {
        Assert.True(Command.Works("fish", "--version"), "fish is not installed (tests/tools/prepare.sh)");
        Assert.Equal(expected, Sorted(Run("fish", "--no-config", "-c", "tinc completion fish | source; complete -C $argv[1]", Filled(line)).OrThrow().Output));
    }

    /// <summary>In a terminal, where zsh does nothing without one.</summary>
    [LabFact]
    public async Task Zsh_completes()
    {
        Assert.True(Command.Works("zsh", "--version"), "zsh is not installed (tests/tools/prepare.sh)");
        using Screen screen = new(100, 30, Environment, "zsh", "-f", "-i");
        // The system's start-up files of zsh may set a PATH of their own.
        screen.Type($"PS1='> '; export PATH={_folder}/bin:$PATH; autoload -U compinit; compinit -u -D; eval \"$(tinc completion zsh)\"; cd /; clear; echo ready");
        screen.Press("Enter");
        await screen.Shows("^ready$");
        foreach ((string typed, string pattern) in ((string, string)[])
            [("tinc generate-e", "^> tinc generate-ed25519-keys$"), ($"tinc -c {_folder} set beta.Por", @" set beta\.Port$"), ("tinc completion f", "^> tinc completion fish$")])
        {
            screen.Type(typed);
            screen.Press("Tab");
            await screen.Shows(pattern);
            screen.Press("C-u");
        }

        screen.Type($"tinc -c {_folder} info al");
        screen.Press("Tab", "Tab");
        await screen.Shows("^albert +alpha$");
    }

    /// <summary>Only where there is one: it is no package of Debian's.</summary>
    [PowerShellTheory, MemberData(nameof(Lines))]
    public void PowerShell_completes(string line, string expected)
    {
        const string script =
            "tinc completion powershell | Out-String | Invoke-Expression; " +
            "(TabExpansion2 -inputScript $env:LINE -cursorColumn $env:LINE.Length).CompletionMatches | ForEach-Object { $_.CompletionText }";
        CommandResult result = Run(["LINE=" + Filled(line), .. PowerShellTheoryAttribute.Command, "-NoProfile", "-NonInteractive", "-Command", script]);
        Assert.Equal(expected, Sorted(result.OrThrow().Output));
    }
}

/// <summary>A theory about PowerShell: skipped, with the reason on screen, where there is none.</summary>
public sealed class PowerShellTheoryAttribute : TheoryAttribute
{
    private static readonly Lazy<bool> IsThere = new(() => Interop.Tests.Command.Works([.. Command, "-NoProfile", "-Command", "exit 0"]));

    public PowerShellTheoryAttribute() =>
        Skip = Prerequisites.SkipReason ?? (IsThere.Value ? null : "there is no PowerShell here: put `pwsh' on the PATH, or name it in TINCPURE_PWSH");

    /// <summary>The program and its first words, as TINCPURE_PWSH has them.</summary>
    public static string[] Command => (Environment.GetEnvironmentVariable("TINCPURE_PWSH") ?? "pwsh").Split(' ');
}
