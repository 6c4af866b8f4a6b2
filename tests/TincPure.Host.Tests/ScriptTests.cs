using Microsoft.FSharp.Collections;
using TincPure.Host.Logs;
using TincPure.Host.Scripts;
using TincPure.Node;
using TincPure.Primitives;

namespace TincPure.Host.Tests;

public sealed class ScriptTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly RecordingSink _lines = new();
    private readonly Logger _log;

    public ScriptTests() => _log = new Logger(_lines, DebugLevel.status);

    public void Dispose()
    {
        _log.Dispose();
        _folder.Dispose();
    }

    private void Write(string name, string body, bool executable = true)
    {
        var path = _folder.File(name);
        File.WriteAllText(path, "#!/bin/sh\n" + body + "\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, executable ? (UnixFileMode)0b111_000_000 : UnixFileMode.UserRead);
    }

    private string[] Run(string? interpreter, string extension, params Script[] scripts)
    {
        using (var runner = new ScriptRunner(new ScriptSettings(_folder.Path, interpreter, extension), _log))
        {
            foreach (var script in scripts)
                runner.Start(script);
            runner.Finish();
        }

        return [.. _lines.Lines];
    }

    private static Script Script(string name, params (string, string)[] environment) =>
        new(name, ListModule.OfSeq(environment.Select(pair => Tuple.Create(pair.Item1, pair.Item2))));

    [Fact]
    public void Scripts_run_in_order_with_their_environment_in_the_configuration_directory()
    {
        Write("subnet-up", "sleep 0.2; echo \"$SUBNET:$WEIGHT:${WEIGHT-unset}\" >> out");
        Write("tinc-down", "pwd >> out; echo \"$0 $#\" >> out");
        var lines = Run(null, "", Script("subnet-up", ("SUBNET", "10.0.0.0/8"), ("WEIGHT", "")), Script("tinc-down"));

        Assert.Equal(["Executing script subnet-up", "Executing script tinc-down"], lines);
        Assert.Equal(
            ["10.0.0.0/8::", _folder.Path, _folder.File("tinc-down") + " 0"], File.ReadAllLines(_folder.File("out")));
    }

    [Fact]
    public void A_script_that_is_not_there_is_not_mentioned() => Assert.Empty(Run(null, "", Script("host-up")));

    [Theory]
    [InlineData("exit 3", true, "3")]
    [InlineData("kill -9 $$", true, "137")]
    [InlineData("true", false, "126")]
    public void A_failure_is_logged_with_its_status(string body, bool executable, string status)
    {
        Write("host-up", body, executable);
        Assert.Equal(
            ["Executing script host-up", "Script host-up exited with non-zero status " + status],
            Run(null, "", Script("host-up")));
    }

    [Fact]
    public void An_interpreter_may_have_arguments_and_the_extension_belongs_to_the_file()
    {
        Write("host-up.sh", "echo $- > out", executable: false);
        Assert.Equal(["Executing script host-up"], Run("/bin/sh -e", ".sh", Script("host-up")));
        Assert.Contains('e', File.ReadAllText(_folder.File("out")));
    }
}
