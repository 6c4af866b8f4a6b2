using System.Security.Cryptography;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Commands;
using TincPure.Config;
using TincPure.Crypto.Legacy;
using TincPure.Host.Files;
using TincPure.Host.Linux;
using TincPure.Primitives;

namespace TincPure.Tinc.Commands;

/// <summary>`fsck`: finds what is wrong with the files of a node, and repairs what the user wants repaired (spec 06 §13).</summary>
internal sealed class FsckCommand
{
    private const UnixFileMode OwnerRights = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly Session _session;
    private readonly Action<string> _say;
    private readonly string _hostFile;
    private bool _failed;
    private bool _noMoreQuestions;

    private FsckCommand(Session session, string name, Action<string> say)
    {
        _session = session;
        _say = say;
        _hostFile = session.Locations.Host(name);
    }

    public static int Run(Session session, string[] arguments, Switches switches)
    {
        if (arguments.Length > 0)
            return session.TooManyArguments();
        if (!switches.Json)
            return Run(session, line => session.Terminal.Fail(line));

        var lines = new List<string>();
        var code = Run(session, lines.Add);
        session.Print(DumpJson.fsck(code == 0, ListModule.OfSeq(lines)));
        return code;
    }

    private static int Run(Session session, Action<string> say)
    {
        if (Name(session, say) is not { } name)
        {
            say("ERROR: tinc cannot run without a valid Name.");
            return 1;
        }

        var run = new FsckCommand(session, name, say);
        foreach (var finding in Fsck.check(FilesOf(session, name)))
            run.Take(finding);
        return run._failed ? 1 : 0;
    }

    private static string Command(Session session)
    {
        if (session.Options.Config.IsSome)
            return session.Program + " -c " + session.Locations.ConfBase;
        return session.Locations.NetName is { } net ? session.Program + " -n " + net : session.Program;
    }

    /// <summary>Our node's name, or null, which is explained.</summary>
    public static string? Name(Session session, Action<string> say)
    {
        var file = session.Locations.TincConf;
        try
        {
            Disk.Read(file);
        }
        catch (DiskException e)
        {
            say("ERROR: cannot read " + file + ": " + e.Message);
            if (!Disk.Exists(file))
                say("No tinc configuration found. Create a new one with:\n\n" + Command(session) + " init");
            else if (!Environment.IsPrivilegedProcess)
                say("You are currently not running tinc as root. Use sudo?");
            else
                say("Check the permissions of each component of the path " + file + ".");
            return null;
        }

        return session.OwnName(verbose: true);
    }

    public static Fsck.Files FilesOf(Session session, string name)
    {
        var places = session.Locations;
        var snapshot = new ConfigurationReader(ByteText.decode(places.ConfBase), places.NetName, []).Read();
        var rights = Fsck.keyFiles(snapshot).Distinct().Where(Disk.Exists).Select(file => Tuple.Create(file, RightsTo(file)));
        return new Fsck.Files(
            snapshot,
            NodeNameModule.tryParse(name).Value,
            Command(session),
            session.Program,
            MapModule.OfSeq(rights),
            Scripts(places.ConfBase, (script, found) => new ValueTuple<string, Fsck.Script>(script, found)),
            Scripts(places.Hosts, (_, found) => found));
    }

    private static Fsck.KeyFileRights RightsTo(string file)
    {
        var path = ByteText.decode(file);
        var exposed = !OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~OwnerRights) != 0;
        var foreign = OperatingSystem.IsLinux() && FileOwner.Of(path) is { } owner && owner.User != PosixFiles.OwnUser;
        return new Fsck.KeyFileRights(exposed, foreign);
    }

    private static FSharpResult<FSharpList<T>, string> Scripts<T>(string folder, Func<string, Fsck.Script, T> make)
    {
        try
        {
            var scripts = Disk.List(folder)
                .Where(name => name.EndsWith("-up", StringComparison.Ordinal) || name.EndsWith("-down", StringComparison.Ordinal))
                .Select(name => make(name, Script(Locations.Join(folder, name))));
            return FSharpResult<FSharpList<T>, string>.NewOk(ListModule.OfSeq(scripts));
        }
        catch (DiskException e)
        {
            return FSharpResult<FSharpList<T>, string>.NewError(e.Message);
        }
    }

    public static Fsck.Script Script(string file)
    {
        var problem = OperatingSystem.IsWindows() ? null : PosixFiles.WhyNotRun(ByteText.decode(file));
        return new Fsck.Script(
            file, problem is null ? FSharpValueOption<string>.None : FSharpValueOption<string>.Some(problem));
    }

    private void Take(Fsck.Finding finding)
    {
        switch (finding)
        {
            case Fsck.Finding.Say say:
                _say(say.Item);
                break;
            case Fsck.Finding.Offer offer:
                if (IsWanted())
                    Apply(offer.Item1);
                else
                    _failed |= offer.mustBeDone;
                break;
            default:
                _failed = true;
                break;
        }
    }

    private bool IsWanted()
    {
        if (_session.Options.Force)
            return true;

        while (_session.Interactive && !_noMoreQuestions)
        {
            _session.Terminal.WriteError("Fix y/n? ");
            var answer = _session.Terminal.ReadLine();
            if (answer is null)
                _noMoreQuestions = true;
            else if (answer.StartsWith('y') || answer.StartsWith('Y'))
                return true;
            else if (answer.StartsWith('n') || answer.StartsWith('N'))
                return false;
        }

        return false;
    }

    private void Apply(Fsck.Remedy remedy)
    {
        switch (remedy)
        {
            case Fsck.Remedy.Restrict restrict:
                Try("ERROR: could not change permissions of ", restrict.file, file => Restrict(file));
                break;
            case Fsck.Remedy.MakeExecutable make:
                Try("ERROR: cannot change permissions on ", make.file, file => Disk.SetMode(file, Disk.SharedFolder));
                break;
            case Fsck.Remedy.WriteEd25519Key key:
                Write(KeyKind.Ed25519, "Ed25519", KeyFile.printPublicBlock(key.Item));
                break;
            case Fsck.Remedy.WriteRsaKey key:
                Write(KeyKind.Rsa, "RSA", Pem(key.Item));
                break;
        }
    }

    private void Restrict(string file)
    {
        if (!OperatingSystem.IsWindows())
            Disk.SetMode(file, File.GetUnixFileMode(ByteText.decode(file)) & OwnerRights);
        _say("Fixed permissions of " + file + ".");
    }

    private static string Pem(RsaPublicKey key)
    {
        using var rsa = RSA.Create(
            new RSAParameters
            {
                Modulus = key.Modulus.ToByteArray(isUnsigned: true, isBigEndian: true),
                Exponent = key.Exponent.ToByteArray(isUnsigned: true, isBigEndian: true),
            });
        return rsa.ExportRSAPublicKeyPem() + "\n";
    }

    private void Write(KeyKind kind, string kindName, string text)
    {
        KeyCommands.Disable(_session, kind, _hostFile);
        Try("ERROR: could not append to ", _hostFile, file =>
        {
            Disk.Append(file, text, Disk.Shared);
            _say("Wrote " + kindName + " public key to " + file + ".");
        });
    }

    private void Try(string complaint, string file, Action<string> action)
    {
        try
        {
            action(file);
        }
        catch (DiskException e)
        {
            _say(complaint + file + ": " + e.Message);
            _failed = true;
        }
    }
}
