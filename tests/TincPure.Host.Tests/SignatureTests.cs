using System.Text;
using TincPure.Commands;
using TincPure.Config;
using TincPure.Primitives;

namespace TincPure.Host.Tests;

/// <summary>Texts that the reference signed.</summary>
public sealed class SignatureTests
{
    private static NodeName Name(string text) => NodeNameModule.tryParse(text).Value;

    [Fact]
    public void A_text_signed_at_a_given_time_is_what_the_reference_wrote()
    {
        foreach (var item in Vectors.Load("01-file-signature.json").GetProperty("cases").EnumerateArray())
        {
            string Text(string property) => Encoding.Latin1.GetString(Convert.FromHexString(item.GetProperty(property).GetString()!));
            byte[] Bytes(string property) => Convert.FromHexString(item.GetProperty(property).GetString()!);

            var key = new KeyPair(Bytes("private_expanded"), Bytes("public"));
            var signed = Signature.sign(key, Name(item.GetProperty("name").GetString()!), item.GetProperty("time").GetInt64(), Text("data"));
            Assert.Equal(Text("output"), signed);

            var (header, text) = Signature.parse(signed).Value;
            Assert.True(Signature.verifies(key.Public, header, text));
            Assert.False(Signature.verifies(key.Public, header, text + " "));
        }
    }

    [Fact]
    public void What_the_reference_signed_is_written_again_and_verified()
    {
        var vectors = Vectors.Load("06-cli-sign.json");
        var (pair, _) = KeyFile.parsePrivate(vectors.GetProperty("private_key_pem").GetString()!);
        foreach (var item in vectors.GetProperty("cases").EnumerateArray())
        {
            var output = item.GetProperty("output").GetString()!;
            var (header, text) = Signature.parse(output).Value;
            Assert.Equal(item.GetProperty("input").GetString(), text);
            Assert.True(Signature.verifies(pair.Value.Public, header, text));
            Assert.Equal(output, Signature.sign(pair.Value, header.Signer, header.Time, text));
        }
    }
}
