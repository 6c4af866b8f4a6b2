using System.Buffers.Binary;
using TincPure.Host.Process;
using TincPure.Primitives;

namespace TincPure.Host.Files;

/// <summary>
/// The files of recent addresses in the reference's format, as 64-bit little-endian Linux writes it (spec 05 §8.2):
/// version, number of entries, then socket addresses.
/// </summary>
internal static class AddressCache
{
    public const int MaxEntries = 8;

    private const int Size = 264;
    private const int HeaderSize = 8;
    private const int EntrySize = 32;
    private const uint Version = 1;
    private const ushort Inet = 2, Inet6 = 10;

    /// <summary>The addresses in a file's content; none if it is not a cache of this format.</summary>
    public static IReadOnlyList<Endpoint> Parse(ReadOnlySpan<byte> content)
    {
        if (content.Length < Size || BinaryPrimitives.ReadUInt32LittleEndian(content) != Version)
            return [];

        var used = BinaryPrimitives.ReadUInt32LittleEndian(content[4..]);
        if (used > MaxEntries)
            return [];

        var addresses = new List<Endpoint>();
        for (var i = 0; i < used; i++)
        {
            if (TryParse(content.Slice(HeaderSize + i * EntrySize, EntrySize), out var address))
                addresses.Add(address);
        }

        return addresses;
    }

    /// <summary>Anything but an IPv4 or IPv6 address (text, for one) has no meaning outside the process that wrote it.</summary>
    private static bool TryParse(ReadOnlySpan<byte> entry, out Endpoint address)
    {
        var port = BinaryPrimitives.ReadUInt16BigEndian(entry[2..]);
        switch (BinaryPrimitives.ReadUInt16LittleEndian(entry))
        {
            case Inet:
                address = new Endpoint(IpModule.readV4(entry[4..]), port, 0);
                return true;
            case Inet6:
                address = new Endpoint(
                    IpModule.readV6(entry[8..]), port, BinaryPrimitives.ReadUInt32LittleEndian(entry[24..]));
                return true;
            default:
                address = default;
                return false;
        }
    }

    public static byte[] Print(IEnumerable<Endpoint> addresses)
    {
        var content = new byte[Size];
        var used = 0;
        foreach (var address in addresses.Take(MaxEntries))
            Print(address, content.AsSpan(HeaderSize + used++ * EntrySize, EntrySize));

        BinaryPrimitives.WriteUInt32LittleEndian(content, Version);
        BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(4), (uint)used);
        return content;
    }

    private static void Print(Endpoint address, Span<byte> entry)
    {
        BinaryPrimitives.WriteUInt16BigEndian(entry[2..], address.Port);
        if (address.Ip.IsV6)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(entry, Inet6);
            IpModule.write(address.Ip, entry[8..]);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[24..], address.Scope);
        }
        else
        {
            BinaryPrimitives.WriteUInt16LittleEndian(entry, Inet);
            IpModule.write(address.Ip, entry[4..]);
        }
    }

    /// <summary>The cached addresses of a node; none if there is no usable file.</summary>
    public static IReadOnlyList<Endpoint> Read(string path)
    {
        try
        {
            return Parse(File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Replaces the file as a whole; says why if it cannot. A cache that is lost costs only a slower start.</summary>
    public static string? Write(string path, IEnumerable<Endpoint> addresses)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            var temporary = path + ".new";
            File.WriteAllBytes(temporary, Print(addresses));
            File.Move(temporary, path, overwrite: true);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ErrorText.Of(e);
        }
    }
}
