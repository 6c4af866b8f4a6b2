using System.Net;
using System.Net.Sockets;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace TincPure.Interop.Tests;

/// <summary>
/// A tinc 1.0 that says what it likes, made of the platform's RSA and AES alone: it calls a daemon, and sends the lines of the login
/// (spec 08 §3 to §8) as it is told.
/// </summary>
public sealed class LegacyImpostor : IDisposable
{
    private const int Aes256Cfb = 429, Sha256 = 672;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private readonly RSA _key;
    private readonly string _name;
    private readonly Queue<byte> _received = [];
    private RSAParameters _peer;
    private Socket? _socket;
    private Cfb? _out;
    private Cfb? _in;

    public LegacyImpostor(string name, RSA key) => (_name, _key) = (name, key);

    /// <summary>The challenge that the daemon sent.</summary>
    public byte[] Challenge { get; private set; } = [];

    /// <summary>Makes a node expect this peer, under its own key or under another.</summary>
    public void IntroduceTo(Node node, RSA? key = null) =>
        File.WriteAllText(node.HostFilePath(_name), (key ?? _key).ExportRSAPublicKeyPem() + "\n");

    public void Connect(Host from, Node to)
    {
        using RSA peer = RSA.Create();
        peer.ImportFromPem(File.ReadAllText(Path.Combine(to.Folder, "rsa_key.priv")));
        _peer = peer.ExportParameters(false);
        _socket = from.Namespace.Open(2, 1, 0);
        _socket.NoDelay = true;
        _socket.ReceiveTimeout = (int)Limit.TotalMilliseconds;
        _socket.Connect(IPAddress.Parse(to.Host.IPv4), 655);
    }

    /// <summary>Says who it is. The daemon answers with its ID and its METAKEY.</summary>
    public void Greet()
    {
        Say($"0 {_name} 17");
        Assert.StartsWith("0 ", ReadLine());
        string[] metaKey = ReadLine().Split(' ');
        Assert.Equal("1", metaKey[0]);
        RSAParameters own = _key.ExportParameters(true);
        byte[] block = Power(Convert.FromHexString(metaKey[5]), own.D!, own.Modulus!);
        int keyLength = metaKey[1] switch { "421" => 16, "425" => 24, _ => 32 };
        _in = new Cfb(block[^keyLength..], block[^(keyLength + 16)..^keyLength], encrypts: false);
        byte[] behind = [.. _received];
        _received.Clear();
        foreach (byte b in _in.Pass(behind)) _received.Enqueue(b);
    }

    /// <summary>A METAKEY as it should be, or with other fields; what follows is encrypted.</summary>
    public void SendMetaKey(Func<string[], string[]>? change = null)
    {
        byte[] block = RandomNumberGenerator.GetBytes(_peer.Modulus!.Length);
        block[0] &= 0x7f;
        string[] fields =
            ["1", $"{Aes256Cfb}", $"{Sha256}", "0", "0", Convert.ToHexString(Power(block, _peer.Exponent!, _peer.Modulus!))];
        Say(string.Join(' ', change?.Invoke(fields) ?? fields));
        _out = new Cfb(block[^32..], block[^48..^32], encrypts: true);
    }

    /// <summary>Sends a challenge, waits for the daemon's and answers it.</summary>
    public void Prove(Func<string, string>? answer = null)
    {
        byte[] challenge = RandomNumberGenerator.GetBytes(_peer.Modulus!.Length);
        Say("2 " + Convert.ToHexString(challenge));
        Challenge = Convert.FromHexString(ReadLine().Split(' ')[1]);
        string reply = Convert.ToHexString(SHA256.HashData(Challenge));
        Say("3 " + (answer?.Invoke(reply) ?? reply));
        if (answer is not null) return;
        Assert.Equal("3 " + Convert.ToHexString(SHA256.HashData(challenge)), ReadLine());
        Assert.StartsWith("4 ", ReadLine());
    }

    /// <summary>Sends a line, encrypted if it is time for that.</summary>
    public void Say(string line) => SendRaw(Encoding.Latin1.GetBytes(line + "\n"));

    public void SendRaw(byte[] bytes) => _socket!.Send(_out?.Pass(bytes) ?? bytes);

    /// <summary>
    /// What the daemon still says until it hangs up, or falls silent (a connection that misbehaved before it was activated stays open,
    /// unread: spec 08 §10).
    /// </summary>
    public byte[] Rest(TimeSpan silence)
    {
        List<byte> rest = [.. _received];
        byte[] buffer = new byte[65536];
        _socket!.ReceiveTimeout = (int)silence.TotalMilliseconds;
        try
        {
            while (_socket.Receive(buffer) is var count and > 0) rest.AddRange(buffer[..count]);
        }
        catch (SocketException)
        {
            // Silence, or a reset.
        }

        return [.. rest];
    }

    public void Dispose() => _socket?.Dispose();

    private string ReadLine()
    {
        byte[] buffer = new byte[65536];
        while (!_received.Contains((byte)'\n'))
        {
            int count = _socket!.Receive(buffer);
            if (count == 0) throw new EndOfStreamException("the daemon hung up");
            foreach (byte b in _in?.Pass(buffer[..count]) ?? buffer[..count]) _received.Enqueue(b);
        }

        StringBuilder line = new();
        while (_received.Dequeue() is var b && b != '\n') line.Append((char)b);
        return line.ToString();
    }

    // RSA without padding, as long as the modulus.
    private static byte[] Power(byte[] block, byte[] exponent, byte[] modulus)
    {
        static BigInteger Number(byte[] bytes) => new(bytes, isUnsigned: true, isBigEndian: true);
        byte[] result = BigInteger.ModPow(Number(block), Number(exponent), Number(modulus)).ToByteArray(true, true);
        return [.. new byte[modulus.Length - result.Length], .. result];
    }

    // AES with 128 bits of feedback, byte by byte: the stream goes on over the borders of lines.
    private sealed class Cfb(byte[] key, byte[] iv, bool encrypts)
    {
        private readonly Aes _aes = Create(key);
        private readonly byte[] _register = iv;
        private byte[] _stream = [];
        private int _used = 16;

        public byte[] Pass(byte[] bytes)
        {
            byte[] result = new byte[bytes.Length];
            for (int i = 0; i < bytes.Length; i++)
            {
                if (_used == 16) (_stream, _used) = (_aes.EncryptEcb(_register, PaddingMode.None), 0);
                result[i] = (byte)(bytes[i] ^ _stream[_used]);
                _register[_used++] = encrypts ? result[i] : bytes[i];
            }

            return result;
        }

        private static Aes Create(byte[] key)
        {
            Aes aes = Aes.Create();
            aes.Key = key;
            return aes;
        }
    }
}
