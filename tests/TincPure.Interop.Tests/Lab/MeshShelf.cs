namespace TincPure.Interop.Tests;

/// <summary>
/// Meshes that the tests of one class share, all built at once: most of their start is waiting. A mesh that does not come up
/// fails only the tests that use it.
/// </summary>
public abstract class MeshShelf<TKey> : IAsyncLifetime where TKey : notnull
{
    private readonly Dictionary<TKey, Task<Mesh>> _meshes = [];

    internal Task<Mesh> this[TKey key] => _meshes[key];

    protected abstract IEnumerable<TKey> Keys { get; }

    public Task InitializeAsync()
    {
        if (Prerequisites.SkipReason is not null) return Task.CompletedTask;
        foreach (TKey key in Keys) _meshes[key] = Task.Run(() => Build(key));
        return Task.WhenAll(_meshes.Values).ContinueWith(_ => { }, TaskScheduler.Default);
    }

    public async Task DisposeAsync()
    {
        foreach (Task<Mesh> mesh in _meshes.Values)
        {
            if (mesh.IsCompletedSuccessfully) await mesh.Result.DisposeAsync();
        }
    }

    private protected abstract Task<Mesh> Build(TKey key);
}
