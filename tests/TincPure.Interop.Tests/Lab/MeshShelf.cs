namespace TincPure.Interop.Tests;

/// <summary>Meshes that the tests of one class share. One that does not come up fails only the tests that use it.</summary>
public abstract class MeshShelf<TKey> : Trials<TKey, Mesh> where TKey : notnull
{
    public override async Task DisposeAsync()
    {
        foreach (Task<Mesh> mesh in Tasks)
        {
            if (mesh.IsCompletedSuccessfully) await mesh.Result.DisposeAsync();
        }
    }
}
