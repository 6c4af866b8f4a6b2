using System.Security.Cryptography;
using System.Text;
using TincPure.Commands;
using TincPure.Crypto;
using TincPure.Primitives;
using TincPure.Tinc;

namespace TincPure.Host.Tests;

/// <summary>A join that ended too early is completed by the next with the same URL: its cookie is good for once only.</summary>
[Collection("environment")]
public sealed class JoinResumeTests : IDisposable
{
    private const string Invitation =
        "Name = gamma\nConnectTo = alpha\nSubnet = 10.3.0.0/16\n#---\nName = alpha\nAddress = vpn.example.org\n";

    private readonly TemporaryFolder _folder = new();
    private readonly Ed25519.KeyPair _key = Ed25519.generate(RandomNumberGenerator.GetBytes(Ed25519.SeedSize));
    private readonly byte[] _cookie = RandomNumberGenerator.GetBytes(18);

    public void Dispose() => _folder.Dispose();

    private string Root => Path.Combine(_folder.Path, "etc");

    private string Net => Path.Combine(Root, "vpn");

    private (int Code, string Error) Join(int port, params string[] options)
    {
        Directory.CreateDirectory(Root);
        using MemoryStream input = new(), output = new(), error = new();
        var terminal = new Terminal(input, output, error, interactive: false, colour: false, isProcess: false);
        var url = InvitationUrl.print("127.0.0.1", port.ToString(), _key.Public, _cookie);
        var code = new Session("tinc", terminal, new Roots(Root, Path.Combine(_folder.Path, "run"))).Run([.. options, "join", url]);
        return (code, Encoding.Latin1.GetString(error.ToArray()));
    }

    private Inviter InviterWith(string fault, string data = Invitation) =>
        new(_key.Private.Span.ToArray(), _key.Public)
        {
            Line1 = "0 alpha 17.7\n",
            Line2 = "4 " + Base64.encode(_key.Public) + "\n",
            Data = Encoding.ASCII.GetBytes(data),
            Chunk = 1024,
            Fault = fault,
        };

    private void AssertWhole()
    {
        var own = File.ReadAllText(Path.Combine(Net, "hosts", "gamma"));
        Assert.Contains("Subnet = 10.3.0.0/16\n", own);
        Assert.Equal(2, own.Split("Ed25519PublicKey = ").Length);
        Assert.Equal(2, own.Split("-----BEGIN RSA PUBLIC KEY-----").Length);
        Assert.StartsWith("Name = gamma\nConnectTo = alpha\n", File.ReadAllText(Path.Combine(Net, "tinc.conf")));
        Assert.Equal("Address = vpn.example.org\n", File.ReadAllText(Path.Combine(Net, "hosts", "alpha")));
        Assert.True(File.Exists(Path.Combine(Net, "rsa_key.priv")) && File.Exists(Path.Combine(Net, "tinc-up")));
        Assert.False(File.Exists(Path.Combine(Net, JoinProgress.fileName)));
    }

    /// <summary>As if it had been killed so early: what comes later is taken away again.</summary>
    [Theory]
    [InlineData("nothing")]
    [InlineData("tinc-up")]
    [InlineData("rsa_key.priv")]
    [InlineData("tinc.conf tinc-up rsa_key.priv hosts/gamma ed25519_key.priv")]
    [InlineData("tinc.conf tinc-up rsa_key.priv hosts/gamma hosts/alpha ed25519_key.priv")]
    public void What_is_missing_is_made_from_what_was_received(string missing)
    {
        int port;
        using (var inviter = InviterWith("close after key"))
        {
            port = inviter.Port;
            Assert.Equal(1, Join(port, "-b", "-n", "vpn").Code);
        }

        foreach (var file in missing.Split(' '))
            File.Delete(Path.Combine(Net, file));
        if (missing == "rsa_key.priv")
            CutRsaKey();

        // The inviter is not asked again: it has forgotten the cookie.
        var (code, error) = Join(port, "-b", "-n", "vpn");
        Assert.True(code == 0, error);
        Assert.Contains("Configuration stored in: " + Net, error);
        Assert.Contains("the inviter may not have got this node's key", error);
        AssertWhole();
        Assert.Contains("already exists", Join(port, "-b", "-n", "vpn").Error);
    }

    private void CutRsaKey()
    {
        var path = Path.Combine(Net, "hosts", "gamma");
        var text = File.ReadAllText(path);
        File.WriteAllText(path, text[..text.IndexOf("-----BEGIN RSA", StringComparison.Ordinal)]);
    }

    [Fact]
    public void What_the_inviter_has_accepted_is_known()
    {
        int port;
        using (var inviter = InviterWith(""))
        {
            port = inviter.Port;
            Assert.Equal(0, Join(port, "-b", "-n", "vpn").Code);
        }

        AssertWhole();
        // Killed just before the end.
        var progress = new JoinProgress.Progress(
            JoinProgress.ofUrl(InvitationUrl.tryParse(InvitationUrl.print("127.0.0.1", "1", _key.Public, _cookie)).Value), accepted: true);
        File.WriteAllText(Path.Combine(Net, JoinProgress.fileName), JoinProgress.print(progress));
        File.Delete(Path.Combine(Net, "tinc-up"));
        var (code, error) = Join(port, "-b", "-n", "vpn");
        Assert.Equal(0, code);
        Assert.Contains("The interrupted join is complete: the inviter has this node's key.", error);
        AssertWhole();
    }

    [Fact]
    public void A_network_that_the_invitation_named_is_found_again()
    {
        int port;
        using (var inviter = InviterWith("close after key", "Name = gamma\nNetName = vpn\n" + Invitation["Name = gamma\n".Length..]))
        {
            port = inviter.Port;
            Assert.Equal(1, Join(port, "-b").Code);
        }

        Assert.Equal(0, Join(port, "-b").Code);
        AssertWhole();
    }

    [Fact]
    public void Another_invitation_goes_its_own_way()
    {
        using (var inviter = InviterWith("close after key"))
        {
            Assert.Equal(1, Join(inviter.Port, "-b", "-n", "vpn").Code);
        }

        _cookie[0] ^= 1;
        var (code, error) = Join(1, "-b", "-n", "vpn");
        Assert.Equal(1, code);
        Assert.Contains("tinc.conf already exists!", error);
    }

    [Fact]
    public void The_file_tells_nobody_the_cookie()
    {
        var url = InvitationUrl.tryParse(InvitationUrl.print("127.0.0.1", "1", _key.Public, _cookie)).Value;
        var text = JoinProgress.print(new JoinProgress.Progress(JoinProgress.ofUrl(url), accepted: false));
        Assert.Matches("^[0-9a-f]{64} stored\n$", text);
        Assert.Equal(text, JoinProgress.print(JoinProgress.tryParse(text).Value));
        foreach (var nonsense in new[] { "", "x", "x y", text.Replace("stored", "lost") })
            Assert.True(JoinProgress.tryParse(nonsense).IsNone);
    }
}
