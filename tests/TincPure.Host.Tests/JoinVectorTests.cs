using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using TincPure.Commands;
using TincPure.Node;
using TincPure.Primitives;
using Xunit.Abstractions;

namespace TincPure.Host.Tests;

/// <summary>Recorded runs of the reference's `join` against an inviter.</summary>
[Collection("environment")]
public sealed class JoinVectorTests(ITestOutputHelper output)
{
    private const string NothingIsWritten = "an invitation that is no good leaves no files, so that a better one can be used";

    private static readonly Dictionary<string, string> Different = new()
    {
        ["secondary chunk with own name"] = NothingIsWritten,
        ["secondary chunk with invalid name"] = NothingIsWritten,
        ["interactive, netname asked"] = "the reference goes on with the old path and crashes",
        ["server sends the two lines and the first SPTPS record in separate segments"] = "we wait for the record",
    };

    [Fact]
    public void Every_join_of_the_vectors_gives_the_same_output_and_files()
    {
        var vectors = Vectors.Load("06-invitation-join.json");
        var substitutions = vectors.GetProperty("substitutions").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetString()!);
        var failures = new List<string>();
        foreach (var item in vectors.GetProperty("cases").EnumerateArray())
        {
            var name = item.GetProperty("name").GetString()!;
            if (WhyNot(item, name) is { } reason)
            {
                output.WriteLine($"left out ({reason}): {name}");
                continue;
            }

            using var scratch = new ScratchSystem(substitutions);
            using var inviter = InviterOf(vectors, item, substitutions);
            if (scratch.Differences(AsRun(item, inviter.Port)) is { Length: > 0 } differences)
                failures.Add(name + "\n" + differences);
            else
                output.WriteLine("same: " + name);
        }

        Assert.True(failures.Count == 0, string.Join("\n", failures));
    }

    private static string? WhyNot(JsonElement item, string name)
    {
        if (Different.TryGetValue(name, out var reason))
            return reason;
        return !item.TryGetProperty("block655", out _) && !ScratchSystem.Port655IsFree ? "port 655 cannot be bound here" : null;
    }

    private static Inviter InviterOf(JsonElement vectors, JsonElement item, Dictionary<string, string> substitutions)
    {
        string Expand(string text) => substitutions.Aggregate(text, (t, s) => t.Replace(s.Key, s.Value));
        string Or(string property, string otherwise) => item.TryGetProperty(property, out var value) ? value.GetString()! : otherwise;

        var publicKey = vectors.GetProperty("invitation_public_key").GetString()!;
        return new Inviter(
            Convert.FromHexString(vectors.GetProperty("invitation_private_key_expanded_hex").GetString()!),
            Base64.decode(publicKey).Value)
        {
            Line1 = Or("line1", "0 alpha 17.7\n"),
            Line2 = Expand(Or("line2", "4 " + publicKey + "\n")),
            Data = Encoding.Latin1.GetBytes(Expand(item.GetProperty("invitation_data").GetString()!)),
            Chunk = item.TryGetProperty("chunk", out var chunk) ? chunk.GetInt32() : 1024,
            Fault = Or("server", ""),
        };
    }

    /// <summary>In the form of the other vectors, with the port of our inviter. Crashes become what they should have been.</summary>
    private static JsonElement AsRun(JsonElement item, int port)
    {
        var run = JsonNode.Parse(item.GetRawText().Replace("port 10655", "port " + port).Replace(":10655/", ":" + port + "/"))!.AsObject();
        var result = new JsonObject();
        foreach (var part in new[] { "exit", "stdout", "stderr", "files_changed" })
        {
            result[part] = run[part]!.DeepClone();
        }

        if (result["exit"]!.GetValue<int>() < 0)
            result["exit"] = 0;
        run["result"] = result;
        if (run.ContainsKey("block655"))
            run["port_655_in_use"] = true;
        return JsonSerializer.Deserialize<JsonElement>(run.ToJsonString());
    }

    [Fact]
    public void URLs_and_names_of_invitations_are_those_of_the_reference()
    {
        foreach (var item in Vectors.Load("01-invitation.json").GetProperty("cases").EnumerateArray())
        {
            byte[] Bytes(string property) => Convert.FromHexString(item.GetProperty(property).GetString()!);

            var key = Bytes("invitation_public");
            var cookie = Bytes("cookie");
            Assert.Equal(item.GetProperty("file_name").GetString(), Invitations.fileId(cookie, key));
            var text = InvitationUrl.print("::1", "655", key, cookie);
            Assert.Equal("[::1]:655/" + item.GetProperty("url_tail").GetString(), text);
            var url = InvitationUrl.tryParse(text).Value;
            Assert.Equal(("::1", "655"), (url.Host, url.Port));
            Assert.Equal(cookie, url.Cookie);
            Assert.Equal(Bytes("key_hash"), url.KeyHash);
        }
    }
}
