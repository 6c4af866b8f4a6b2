using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace TincPure.Interop.Tests;

/// <summary>Which keys a node has, and so which protocols it speaks.</summary>
[Flags]
public enum Keys
{
    Ed25519 = 1,
    Rsa = 2,
    Both = Ed25519 | Rsa,
}

/// <summary>A few RSA key pairs, made once, which the nodes of all meshes share.</summary>
internal static class RsaKeys
{
    private const int Bits = 2048, Count = 6;

    private static readonly ConcurrentDictionary<int, Lazy<RSA>> Made = [];

    /// <summary>The key pair of nodes with this number.</summary>
    public static RSA Of(int number) => Made.GetOrAdd(number % Count, _ => new Lazy<RSA>(() => RSA.Create(Bits))).Value;
}
