using System.Security.Cryptography;
using System.Text;
using Microsoft.FSharp.Core;
using TincPure.Commands;
using TincPure.Config;
using TincPure.Host.Files;
using TincPure.Host.Process;

namespace TincPure.Tincd;

/// <summary>Makes a pair of RSA keys (-K, spec 08 §18.4).</summary>
internal sealed class KeysTask(TincdOptions.Options options, FSharpValueOption<string> argument)
{
    private const int Failure = 1;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public int Run()
    {
        if (PlacesOf.Options(options) is not { } places)
            return Failure;

        var bits = Tinc10.bits(argument);
        if (bits.IsError)
        {
            Console.Error.WriteLine(bits.ErrorValue);
            Console.Error.WriteLine(TincdOptions.hint(ProgramName.AsStarted));
            return Failure;
        }

        var name = OwnName(places);
        Console.Error.WriteLine($"Generating {bits.ResultValue} bits keys:");
        using var key = RSA.Create(bits.ResultValue);
        var (privateText, publicText) = (key.ExportRSAPrivateKeyPem(), key.ExportRSAPublicKeyPem());
        Console.Error.WriteLine("Done.");
        var publicFile = name is null ? "rsa_key.pub" : Path.Combine("hosts", name);
        return Save("private RSA key", Path.Combine(places.ConfBase, "rsa_key.priv"), privateText, isPrivate: true)
            && Save("public RSA key", Path.Combine(places.ConfBase, publicFile), publicText, isPrivate: false)
            ? 0
            : Failure;
    }

    /// <summary>Name as tinc.conf and -o give it. That a configuration cannot be read is said, and does not matter.</summary>
    private string? OwnName(Places places)
    {
        var file = Path.Combine(places.ConfBase, "tinc.conf");
        string text;
        try
        {
            text = Encoding.Latin1.GetString(File.ReadAllBytes(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine("Cannot open config file " + file + ": " + ErrorText.Of(e));
            Console.Error.WriteLine("Failed to read `" + file + "': " + ErrorText.Of(e));
            text = "";
        }

        var name = OwnNode.name(
            FuncConvert.FromFunc<string, FSharpValueOption<string>>(Variable),
            FSharpResult<string, string>.NewOk(Environment.MachineName),
            file,
            string.Join('\n', [.. options.Entries, text]));
        return name.IsOk ? name.ResultValue.Text : null;
    }

    private static FSharpValueOption<string> Variable(string name) =>
        Environment.GetEnvironmentVariable(name) is { } value
            ? FSharpValueOption<string>.Some(ByteText.encode(value))
            : FSharpValueOption<string>.None;

    /// <summary>Appends a key to the file that the user names; those that were in it count no more.</summary>
    private static bool Save(string what, string file, string text, bool isPrivate)
    {
        if (!Console.IsInputRedirected && !Console.IsOutputRedirected)
        {
            Console.Write(Tinc10.prompt(what, file));
            if (Console.ReadLine() is { } answer && answer.Trim() is { Length: > 0 } other)
                file = Path.GetFullPath(other);
        }

        DisableKeys(file);
        try
        {
            var mode = new FileStreamOptions { Mode = FileMode.Append, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                mode.UnixCreateMode = OwnerOnly;
            using var stream = new FileStream(file, mode);
            if (isPrivate && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(stream.SafeFileHandle, OwnerOnly);
            stream.Write(Encoding.ASCII.GetBytes("\n" + text + "\n"));
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine("Error opening file `" + file + "': " + ErrorText.Of(e));
            return false;
        }
    }

    private static void DisableKeys(string file)
    {
        try
        {
            if (!File.Exists(file))
                return;
            var disabled = Tinc10.disableKeys(Encoding.Latin1.GetString(File.ReadAllBytes(file)));
            if (disabled.IsNone)
                return;
            AtomicFile.Replace(file, Encoding.Latin1.GetBytes(disabled.Value), suffix: ".tmp");
            Console.Error.WriteLine("Warning: old key(s) found and disabled.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine("Warning: old key(s) found, remove them by hand!");
        }
    }
}
