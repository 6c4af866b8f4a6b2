using System.Security.Cryptography;
using TincPure.Commands;
using TincPure.Config;
using TincPure.Primitives;

namespace TincPure.Tinc.Commands;

/// <summary>Makes a node's files out of an invitation (spec 06 §20.3).</summary>
internal sealed class JoinFiles(Session session, InvitationUrl.Url url)
{
    private const int RsaBits = 2048;

    private string _name = "";
    private bool _askForNetName;
    private TincUp.Script? _script;

    private JoinProgress.Progress _progress = new(JoinProgress.ofUrl(url), accepted: false);

    private Locations Places => session.Locations;

    private string Data => Locations.Join(Places.ConfBase, "invitation-data");

    private string Progress => Locations.Join(Places.ConfBase, JoinProgress.fileName);

    private string Draft => Locations.Join(Places.ConfBase, "tinc-up.invitation");

    private string Script => Locations.Join(Places.ConfBase, OperatingSystem.IsWindows() ? "tinc-up.bat" : "tinc-up");

    private static TincUp.Platform Platform =>
        OperatingSystem.IsWindows() ? TincUp.Platform.Windows
        : OperatingSystem.IsLinux() ? TincUp.Platform.Linux
        : TincUp.Platform.OtherUnix;

    /// <summary>
    /// Writes all that the daemon needs; the new public key, or null, which is explained. Nothing is written if the
    /// invitation is no good, and tinc.conf comes last: without it the folder is free for another attempt.
    /// </summary>
    public byte[]? Store(string data)
    {
        var name = Join.name(data);
        if (name.IsError)
            return Refuse(name.ErrorValue);
        _name = name.ResultValue.Text;
        if (!ChooseFolder(data))
            return null;

        var planned = Join.plan(session.Options.Force, Platform, name.ResultValue, data);
        foreach (var line in planned.IsOk ? planned.ResultValue.Messages : planned.ErrorValue)
            session.Terminal.Fail(line);
        if (planned.IsError)
            return null;

        var plan = planned.ResultValue;
        _script = plan.TincUp;
        try
        {
            return Write(plan, data);
        }
        catch (DiskException e)
        {
            return Refuse(e.Message);
        }
    }

    /// <summary>
    /// Completes what an interrupted join of the same URL has left on disk; the exit code, or null if none has left anything.
    /// </summary>
    public static int? TryResume(Session session, InvitationUrl.Url url)
    {
        var invitation = JoinProgress.ofUrl(url);
        if (Found(session.Locations.ConfBase) is { } here)
            return new JoinFiles(session, url) { _progress = here }.Resume();
        if (session.Locations.NetName is not null || session.Options.Config.IsSome)
            return null;

        // The invitation may have named the network.
        foreach (var net in Disk.List(session.Locations.ConfigurationRoot))
        {
            if (Found(Locations.Join(session.Locations.ConfigurationRoot, net)) is not { } there)
                continue;
            session.AdoptNetName(net);
            return new JoinFiles(session, url) { _progress = there }.Resume();
        }

        return null;

        JoinProgress.Progress? Found(string folder)
        {
            try
            {
                var progress = JoinProgress.tryParse(Disk.Read(Locations.Join(folder, JoinProgress.fileName)));
                return progress.IsSome && progress.Value.Invitation == invitation ? progress.Value : null;
            }
            catch (DiskException)
            {
                return null;
            }
        }
    }

    private int Resume()
    {
        try
        {
            var data = Disk.Read(Data);
            var name = Join.name(data);
            if (name.IsError)
                return session.Terminal.Fail(name.ErrorValue);
            var planned = Join.plan(session.Options.Force, Platform, name.ResultValue, data);
            if (planned.IsError)
                return session.Terminal.Fail(string.Join('\n', planned.ErrorValue));

            _name = name.ResultValue.Text;
            _script = planned.ResultValue.TincUp;
            // Without tinc.conf the key has not left this machine: everything can be made anew.
            if (!Disk.Exists(Places.TincConf))
                Write(planned.ResultValue, data);
            else if (!Disk.Exists(Draft) && !Disk.Exists(Script))
                Create(Draft, TincUp.print(_script), Disk.Shared);
            Complete();
            foreach (var line in JoinProgress.said(session.Program, _progress))
                session.Terminal.Fail(line);
            Finish();
            return 0;
        }
        catch (DiskException e)
        {
            return session.Terminal.Fail("Could not complete the interrupted join in " + Places.ConfBase + ": " + e.Message);
        }
    }

    /// <summary>The inviter has our key.</summary>
    public void Accepted()
    {
        _progress = new JoinProgress.Progress(_progress.Invitation, accepted: true);
        Note();
    }

    /// <summary>There is nothing left to resume.</summary>
    public void Finish()
    {
        if (Disk.Exists(Progress))
            Disk.Delete(Progress);
    }

    private void Note() => Create(Progress, JoinProgress.print(_progress), Disk.Private);

    private byte[]? Refuse(string reason)
    {
        session.Terminal.Fail(reason);
        return null;
    }

    /// <summary>A folder without a configuration: that of the network's name, or one with a random name.</summary>
    private bool ChooseFolder(string data)
    {
        if (Places.NetName is null)
        {
            var net = Join.netName(data);
            if (net.IsError)
                return Refuse(net.ErrorValue) is not null;
            if (net.ResultValue.IsSome)
                session.AdoptNetName(net.ResultValue.Value);
        }

        while (Disk.Exists(Places.TincConf))
        {
            session.Terminal.Fail("Configuration file " + Places.TincConf + " already exists!");
            if (session.Options.Config.IsSome)
                return false;
            session.AdoptNetName("join_" + RandomNumberGenerator.GetInt32(int.MaxValue).ToString("x"));
            _askForNetName = true;
        }

        return true;
    }

    /// <exception cref="DiskException">With the whole message.</exception>
    private byte[] Write(Join.Plan plan, string data)
    {
        Disk.MakeFolderOrSay(Places.ConfBase);
        Disk.MakeFolderOrSay(Places.Hosts);
        Disk.MakeFolderOrSay(Locations.Join(Places.ConfBase, "cache"));
        Create(Data, data, Disk.Shared);
        Note();
        foreach (var (host, text) in plan.Hosts)
            Create(Places.Host(host.Text), text, Disk.Shared);

        var key = KeyCommands.NewPair();
        Create(Locations.Join(Places.ConfBase, "ed25519_key.priv"), KeyFile.printPrivate(key), Disk.Private);
        Create(Places.Host(_name), plan.OwnHost + KeyFile.printPublic(key.Public), Disk.Shared);
        Create(Draft, TincUp.print(plan.TincUp), Disk.Shared);
        Create(Places.TincConf, plan.TincConf, Disk.Shared);
        return key.Public;
    }

    private static void Create(string file, string text, UnixFileMode mode)
    {
        try
        {
            Disk.Replace(file, text, mode);
        }
        catch (DiskException e)
        {
            throw new DiskException("Could not create file " + file + ": " + e.Message);
        }
    }

    /// <summary>What can wait until the inviter has our key.</summary>
    public void Complete()
    {
        AddRsaKey();
        if (!OwnHost().Contains("\nPort = ", StringComparison.Ordinal))
            InitCommand.ChoosePort(session, _name);
        if (_askForNetName && session.Interactive)
            AskForNetName();
        OfferScript();
        session.Terminal.Fail("Configuration stored in: " + Places.ConfBase);
    }

    /// <summary>For peers that speak the legacy protocol only.</summary>
    private void AddRsaKey()
    {
        if (OwnHost().Contains("-----BEGIN RSA PUBLIC KEY-----", StringComparison.Ordinal))
            return;

        var (privateText, publicText) = KeyCommands.NewRsa(RsaBits);
        try
        {
            Disk.Replace(Locations.Join(Places.ConfBase, "rsa_key.priv"), privateText, Disk.Private);
        }
        catch (DiskException)
        {
            session.Terminal.Fail("Could not write private RSA key");
            return;
        }

        try
        {
            Disk.Append(Places.Host(_name), publicText, Disk.Shared);
        }
        catch (DiskException)
        {
            session.Terminal.Fail("Could not write public RSA key");
        }
    }

    private string OwnHost() => "\n" + Disk.Read(Places.Host(_name));

    private void AskForNetName()
    {
        while (true)
        {
            session.Terminal.WriteError("Enter a new netname: ");
            if (session.Terminal.ReadLine() is not { } line)
                return;

            var net = OwnNode.trimEnd(line);
            if (net.Length == 0)
                continue;
            if (!NetName.isValid(net))
                session.Terminal.Fail("Invalid character in netname!");
            else if (MoveTo(net))
                return;
        }
    }

    private bool MoveTo(string net)
    {
        var from = Places.ConfBase;
        var to = Locations.Join(Places.ConfigurationRoot, net);
        try
        {
            Disk.MoveFolder(from, to);
        }
        catch (DiskException e)
        {
            session.Terminal.Fail("Error trying to rename " + from + " to " + to + ": " + e.Message);
            return false;
        }

        session.AdoptNetName(net);
        return true;
    }

    private void OfferScript()
    {
        var isComplete = _script is not null && TincUp.isComplete(_script);
        try
        {
            // That far an interrupted join had come.
            if (!Disk.Exists(Draft) && Disk.Exists(Script))
                return;
            if (!isComplete)
            {
                Enable();
            }
            else if (session.Interactive ? Review() : session.Options.Force)
            {
                Enable();
                session.Terminal.Fail("tinc-up enabled.");
            }
            else
            {
                session.Terminal.Fail(
                    session.Interactive
                        ? "tinc-up has been left disabled."
                        : "A tinc-up script was generated, but has been left disabled.");
            }
        }
        catch (DiskException e)
        {
            session.Terminal.Fail("Could not create file " + Script + ": " + e.Message);
        }
    }

    private void Enable() => Disk.MoveProgram(Draft, Script);

    /// <summary>True if the user wants the script to be used.</summary>
    private bool Review()
    {
        session.Terminal.WriteError("\nPlease review the following tinc-up script:\n\n" + Disk.Read(Draft));
        while (true)
        {
            session.Terminal.WriteError("\nDo you want to use this script [y]es/[n]o/[e]dit? ");
            var key = session.Terminal.ReadCharacter();
            switch (key)
            {
                case 'y' or 'Y':
                    session.Terminal.WriteError("\n");
                    return true;
                case 'e' or 'E':
                    session.Terminal.WriteError("\n");
                    return EditCommand.Edit(session, Draft);
                case 'n' or 'N' or null:
                    session.Terminal.WriteError("\n");
                    return false;
            }
        }
    }
}
