using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using TincPure.Host.Engine;
using TincPure.Node;

namespace TincPure.Host.Linux;

/// <summary>Tells the node of links that go up or down and of addresses that come or go, as the kernel tells it by netlink.</summary>
[SupportedOSPlatform("linux")]
internal static unsafe partial class NetworkWatch
{
    private const int AF_NETLINK = 16, SOCK_RAW = 3, SOCK_CLOEXEC = 0x80000;
    private const uint Links = 1, Ipv4Addresses = 0x10, Ipv6Addresses = 0x100;
    private const int NewLink = 16, DeleteLink = 17, NewAddress = 20, DeleteAddress = 21;

    /// <summary>IFF_UP, IFF_RUNNING, IFF_LOWER_UP: of a link nothing else counts, and much else is told of.</summary>
    private const uint Working = 0x1 | 0x40 | 0x10000;

    private const int HeaderSize = 16, IndexOffset = 20, FlagsOffset = 24;
    private const int MaxName = 16;

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int OpenSocket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    private static partial int Bind(int socket, void* address, uint length);

    [LibraryImport("libc", EntryPoint = "if_indextoname")]
    private static partial byte* NameOfIndex(uint index, byte* name);

    /// <summary>Watches until the end of the process. Where that is not allowed nothing is told.</summary>
    public static void Start(InputQueue inputs)
    {
        var socket = OpenSocket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
        if (socket < 0)
            return;

        // struct sockaddr_nl: family, padding, port, groups.
        var address = stackalloc uint[3];
        address[0] = AF_NETLINK;
        address[1] = 0;
        address[2] = Links | Ipv4Addresses | Ipv6Addresses;
        if (Bind(socket, address, 3 * sizeof(uint)) != 0)
        {
            Libc.Close(socket);
            return;
        }

        new Thread(() => Watch(socket, inputs)) { Name = "network", IsBackground = true }.Start();
    }

    private static void Watch(int socket, InputQueue inputs)
    {
        var buffer = new byte[16 * 1024];
        var links = new Dictionary<uint, uint>();
        while (true)
        {
            nint count;
            fixed (byte* first = buffer)
                count = Libc.Read(socket, first, (nuint)buffer.Length);
            if (count < 0)
            {
                // ENOBUFS: so much changed that some of it was not told.
                if (Libc.LastError != Libc.EINTR)
                    inputs.Post(Input.NewNetworkChanged(""));
                Thread.Sleep(TimeSpan.FromSeconds(1));
                continue;
            }

            Read(buffer.AsSpan(0, (int)count), links, inputs);
        }
    }

    private static void Read(ReadOnlySpan<byte> messages, Dictionary<uint, uint> links, InputQueue inputs)
    {
        while (messages.Length >= FlagsOffset + sizeof(uint))
        {
            var length = (int)MemoryMarshal.Read<uint>(messages);
            if (length < HeaderSize || length > messages.Length)
                return;

            var index = MemoryMarshal.Read<uint>(messages[IndexOffset..]);
            if (IsChange(MemoryMarshal.Read<ushort>(messages[4..]), index, MemoryMarshal.Read<uint>(messages[FlagsOffset..]), links))
                inputs.Post(Input.NewNetworkChanged(NameOf(index)));
            messages = messages[Math.Min((length + 3) & ~3, messages.Length)..];
        }
    }

    private static bool IsChange(int kind, uint index, uint flags, Dictionary<uint, uint> links)
    {
        switch (kind)
        {
            case NewAddress or DeleteAddress:
                return true;
            case DeleteLink:
                return links.Remove(index);
            case NewLink:
                var works = flags & Working;
                var differs = !links.TryGetValue(index, out var before) || before != works;
                links[index] = works;
                return differs;
            default:
                return false;
        }
    }

    private static string NameOf(uint index)
    {
        var name = stackalloc byte[MaxName];
        return NameOfIndex(index, name) is null
            ? ""
            : Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name));
    }
}
