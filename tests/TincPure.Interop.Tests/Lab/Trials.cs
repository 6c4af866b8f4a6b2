namespace TincPure.Interop.Tests;

/// <summary>
/// Whole stories of one class, one for each key, of which several run at once: most of their time is waiting. Each test looks
/// at the outcome of its own.
/// </summary>
public abstract class Trials<TKey, TOutcome> : IAsyncLifetime where TKey : notnull
{
    private const int AtOnce = 4;

    private readonly Dictionary<TKey, Task<TOutcome>> _trials = [];
    private readonly SemaphoreSlim _gate = new(AtOnce);

    public Task<TOutcome> this[TKey key] => _trials[key];

    protected abstract IEnumerable<TKey> Keys { get; }

    protected IEnumerable<Task<TOutcome>> Tasks => _trials.Values;

    public Task InitializeAsync()
    {
        if (Prerequisites.SkipReason is not null) return Task.CompletedTask;
        foreach (TKey key in Keys) _trials[key] = Task.Run(() => RunInTurn(key));
        // A failure is told to the test that asks for the outcome.
        return Task.WhenAll(Tasks).ContinueWith(_ => { }, TaskScheduler.Default);
    }

    public virtual Task DisposeAsync() => Task.CompletedTask;

    protected abstract Task<TOutcome> Run(TKey key);

    private async Task<TOutcome> RunInTurn(TKey key)
    {
        await _gate.WaitAsync();
        try
        {
            return await Run(key);
        }
        finally
        {
            _gate.Release();
        }
    }
}

/// <summary>The outcome of a story that only has to end well.</summary>
public readonly record struct Done;
