using System.ComponentModel;
using System.Diagnostics;

namespace TincPure.Interop.Tests;

/// <summary>What a program that has ended left behind.</summary>
public sealed record CommandResult(string Line, int ExitCode, string Output, string Error)
{
    public CommandResult OrThrow() =>
        ExitCode == 0 ? this : throw new InvalidOperationException($"{Line} -> {ExitCode}: {Output}{Error}");
}

/// <summary>Runs programs to their end.</summary>
public static class Command
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public static CommandResult Run(params string[] line) => RunWith(null, line);

    /// <summary>As <see cref="Run"/>, with text for its standard input. A program that takes more than half a minute is killed.</summary>
    public static CommandResult RunWith(string? input, params string[] line)
    {
        ProcessStartInfo start = new(line[0], line[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        try
        {
            if (input is not null) process.StandardInput.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading.
        }

        string text = string.Join(' ', line);
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{text} did not end within {Limit.TotalSeconds} s");
        }

        return new CommandResult(text, process.ExitCode, output.Result, error.Result);
    }

    /// <summary>Whether a program starts at all and ends well.</summary>
    public static bool Works(params string[] line)
    {
        try
        {
            return Run(line).ExitCode == 0;
        }
        catch (Exception e) when (e is Win32Exception or TimeoutException)
        {
            return false;
        }
    }
}
