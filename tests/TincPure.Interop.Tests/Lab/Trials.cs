namespace TincPure.Interop.Tests;

/// <summary>
/// Whole stories of one class, one for each key, that all run at once: most of their time is waiting. Each test looks at the
/// outcome of its own.
/// </summary>
public abstract class Trials<TKey> : IAsyncLifetime where TKey : notnull
{
    private readonly Dictionary<TKey, Task> _trials = [];

    internal Task this[TKey key] => _trials[key];

    protected abstract IEnumerable<TKey> Keys { get; }

    public Task InitializeAsync()
    {
        if (Prerequisites.SkipReason is not null) return Task.CompletedTask;
        foreach (TKey key in Keys) _trials[key] = Task.Run(() => Run(key));
        return Task.WhenAll(_trials.Values).ContinueWith(_ => { }, TaskScheduler.Default);
    }

    public Task DisposeAsync() => Task.CompletedTask;

    private protected abstract Task Run(TKey key);
}
