using System.Runtime.InteropServices;
using TincPure.Host.Process;

namespace TincPure.Host.Linux;

/// <summary>Descriptors that are waited for together. Each is known by a tag of the caller's.</summary>
internal sealed unsafe class EpollSet : IDisposable
{
    private const int MaxEvents = 16;

    /// <summary>struct epoll_event is packed on x86, and only there.</summary>
    private static readonly int EventSize =
        RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.X86 ? 12 : 16;

    private static readonly int TagOffset = EventSize - sizeof(long);

    private readonly int _epoll = Libc.EpollCreate(Libc.EPOLL_CLOEXEC);
    private readonly byte[] _events = GC.AllocateArray<byte>(MaxEvents * EventSize, pinned: true);

    public void Add(int descriptor, int tag)
    {
        var entry = stackalloc byte[EventSize];
        *(uint*)entry = Libc.EPOLLIN;
        *(long*)(entry + TagOffset) = tag;
        if (Libc.EpollControl(_epoll, Libc.EPOLL_CTL_ADD, descriptor, entry) < 0)
            throw new StartException("System call `epoll_ctl' failed: " + ErrorText.OfErrno(Libc.LastError));
    }

    public void Remove(int descriptor)
    {
        var entry = stackalloc byte[EventSize];
        Libc.EpollControl(_epoll, Libc.EPOLL_CTL_DEL, descriptor, entry);
    }

    /// <summary>The tags of those that are readable, or in an error that a read will tell; none when time is up.</summary>
    public int Wait(Span<int> ready, int milliseconds)
    {
        fixed (byte* events = _events)
        {
            var count = SystemCall.EpollWait(_epoll, events, Math.Min(MaxEvents, ready.Length), milliseconds);
            for (var i = 0; i < count; i++)
                ready[i] = (int)*(long*)(events + i * EventSize + TagOffset);
            return Math.Max(count, 0);
        }
    }

    public void Dispose() => Libc.Close(_epoll);
}
