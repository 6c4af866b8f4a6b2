using System.Text.Json;

namespace TincPure.Host.Tests;

/// <summary>The vector files in tests/vectors.</summary>
internal static class Vectors
{
    public static JsonElement Load(string name) =>
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Root(), "tests", "vectors", name))).RootElement;

    public static string[] Strings(this JsonElement array) =>
        [.. array.EnumerateArray().Select(item => item.GetString()!)];

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "TincPure.sln")))
            folder = folder.Parent ?? throw new DirectoryNotFoundException("no folder with TincPure.sln above the tests");
        return folder.FullName;
    }
}
