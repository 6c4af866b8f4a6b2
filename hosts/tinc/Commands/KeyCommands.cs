using System.Security.Cryptography;
using TincPure.Commands;
using TincPure.Config;
using TincPure.Crypto;
using TincPure.Host.Files;
using KeyPair = TincPure.Config.KeyPair;

namespace TincPure.Tinc.Commands;

/// <summary>Key pairs and their files (spec 06 §6.2).</summary>
internal static class KeyCommands
{
    private const int DefaultBits = 2048, MinimumBits = 1024, MaximumBits = 8192;

    public static int GenerateBoth(Session session, string[] arguments)
    {
        if (arguments.Length > 1)
            return session.TooManyArguments();

        var name = session.OwnName(verbose: false);
        return Rsa(session, name, Bits(arguments), ask: true) && Ed25519Keys(session, name, ask: true) ? 0 : 1;
    }

    public static int GenerateRsa(Session session, string[] arguments)
    {
        if (arguments.Length > 1)
            return session.TooManyArguments();
        return Rsa(session, session.OwnName(verbose: false), Bits(arguments), ask: true) ? 0 : 1;
    }

    public static int GenerateEd25519(Session session, string[] arguments)
    {
        if (arguments.Length > 0)
            return session.TooManyArguments();
        return Ed25519Keys(session, session.OwnName(verbose: false), ask: true) ? 0 : 1;
    }

    private static int Bits(string[] arguments) => arguments.Length == 0 ? DefaultBits : Control.atoi(arguments[0]);

    public static bool Rsa(Session session, string? name, int bits, bool ask)
    {
        // Rounded down, for negative numbers too.
        bits &= ~7;
        if (bits is < MinimumBits or > MaximumBits)
        {
            session.Terminal.Fail(
                "Invalid key size " + bits + " specified! It should be between " + MinimumBits + " and " + MaximumBits + " bits.");
            return false;
        }

        if (bits < DefaultBits)
            session.Terminal.Fail(
                "WARNING: generating a weak " + bits + " bits RSA key! " + DefaultBits + " or more bits are recommended.");
        session.Terminal.WriteError("Generating " + bits + " bits keys:\n");
        var (privateText, publicText) = NewRsa(bits);
        session.Terminal.WriteError("Done.\n");
        return Save(session, KeyKind.Rsa, "private RSA key", PrivateFile(session, "rsa_key.priv"), privateText, Disk.Private, ask)
            && Save(session, KeyKind.Rsa, "public RSA key", PublicFile(session, name, "rsa_key.pub"), publicText, Disk.Shared, ask);
    }

    public static bool Ed25519Keys(Session session, string? name, bool ask)
    {
        session.Terminal.WriteError("Generating Ed25519 key pair:\n");
        var pair = NewPair();
        session.Terminal.WriteError("Done.\n");
        var kind = KeyKind.Ed25519;
        return Save(
                session, kind, "private Ed25519 key", PrivateFile(session, "ed25519_key.priv"),
                KeyFile.printPrivate(pair), Disk.Private, ask)
            && Save(
                session, kind, "public Ed25519 key", PublicFile(session, name, "ed25519_key.pub"),
                KeyFile.printPublic(pair.Public), Disk.Shared, ask);
    }

    /// <summary>The texts of a new RSA key pair.</summary>
    public static (string Private, string Public) NewRsa(int bits)
    {
        using var key = RSA.Create(bits);
        return (key.ExportRSAPrivateKeyPem() + "\n", key.ExportRSAPublicKeyPem() + "\n");
    }

    public static KeyPair NewPair()
    {
        Span<byte> seed = stackalloc byte[Ed25519.SeedSize];
        RandomNumberGenerator.Fill(seed);
        var generated = Ed25519.generate(seed);
        CryptographicOperations.ZeroMemory(seed);
        return new KeyPair(generated.Private.Span.ToArray(), generated.Public);
    }

    private static string PrivateFile(Session session, string file) => Locations.Join(session.Locations.ConfBase, file);

    private static string PublicFile(Session session, string? name, string file) =>
        name is null ? Locations.Join(session.Locations.ConfBase, file) : session.Locations.Host(name);

    /// <summary>Appends a key to a file whose old keys of that kind no longer count.</summary>
    private static bool Save(
        Session session, KeyKind kind, string what, string file, string text, UnixFileMode mode, bool ask)
    {
        if (ask && session.Interactive)
        {
            session.Terminal.WriteError("Please enter a file to save " + what + " to [" + file + "]: ");
            if (session.Terminal.ReadLine() is not { } answer)
            {
                session.Terminal.Fail("Error while reading stdin: No more input");
                return false;
            }

            if (OwnNode.trimEnd(answer) is { Length: > 0 } other)
                file = Path.IsPathRooted(other) ? other : Locations.Join(ByteText.encode(Environment.CurrentDirectory), other);
        }

        Disable(session, kind, file);
        try
        {
            Disk.Append(file, text, mode);
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(ByteText.decode(file), mode & ~PosixFiles.Mask);
            return true;
        }
        catch (DiskException e)
        {
            session.Terminal.Fail("Could not open " + file + ": " + e.Message);
            session.Terminal.Fail("Error opening file `" + file + "': " + e.Message);
            return false;
        }
    }

    public static void Disable(Session session, KeyKind kind, string file)
    {
        try
        {
            var disabled = KeyFile.disable(kind, Disk.Read(file));
            if (disabled.IsNone)
                return;

            AtomicFile.Replace(
                ByteText.decode(file), System.Text.Encoding.Latin1.GetBytes(disabled.Value), suffix: ".tmp");
            session.Terminal.Fail("Warning: old key(s) found and disabled.");
        }
        catch (DiskException)
        {
            // No file, no old keys.
        }
        catch (Exception e) when (Disk.IsDiskError(e))
        {
            session.Terminal.Fail("Warning: old key(s) found, remove them by hand!");
        }
    }
}
