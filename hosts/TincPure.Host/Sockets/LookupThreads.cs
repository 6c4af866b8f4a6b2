using System.Collections.Concurrent;

namespace TincPure.Host.Sockets;

/// <summary>
/// Threads for what asks the system's resolver. That may take many seconds when no name server answers, and would hold up
/// every connection if it were done by the threads that serve them.
/// </summary>
internal sealed class LookupThreads : IDisposable
{
    private const int MaxThreads = 4;

    private readonly BlockingCollection<Action> _work = [];
    private int _threads;
    private int _idle;

    /// <summary>Runs it soon, on a thread that may be held up. It must not throw.</summary>
    public void Run(Action lookup)
    {
        _work.Add(lookup);
        if (Volatile.Read(ref _idle) > 0 || Interlocked.Increment(ref _threads) > MaxThreads)
            return;
        new Thread(RunAll) { Name = "resolver", IsBackground = true }.Start();
    }

    private void RunAll()
    {
        while (true)
        {
            Interlocked.Increment(ref _idle);
            var has = _work.TryTake(out var lookup, Timeout.Infinite);
            Interlocked.Decrement(ref _idle);
            if (!has)
                return;
            lookup!();
        }
    }

    /// <summary>Threads that wait for an answer are left to themselves.</summary>
    public void Dispose() => _work.CompleteAdding();
}
