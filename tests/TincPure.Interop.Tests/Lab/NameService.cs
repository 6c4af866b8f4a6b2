namespace TincPure.Interop.Tests;

/// <summary>
/// What a host's resolver knows: names in its hosts file, and otherwise a name server that nobody is at. To be made before the
/// host's daemon is started.
/// </summary>
public sealed class NameService : IDisposable
{
    // `ip netns exec` lays these files over those in /etc.
    private readonly string _folder;

    public NameService(Host host)
    {
        _folder = Path.Combine("/etc/netns", host.Namespace.Name);
        Directory.CreateDirectory(_folder);
        Know();
        File.WriteAllText(Path.Combine(_folder, "resolv.conf"), "nameserver 192.0.2.250\noptions timeout:1 attempts:2\n");
    }

    /// <summary>Knows these names and no others. The file stays the same one, since it is mounted.</summary>
    public void Know(params (string Name, string Address)[] names) =>
        File.WriteAllText(
            Path.Combine(_folder, "hosts"),
            "127.0.0.1 localhost\n" + string.Concat(names.Select(name => $"{name.Address} {name.Name}\n")));

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
