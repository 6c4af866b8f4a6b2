using System.Net;
using System.Net.Sockets;
using TincPure.Host.Files;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Host.Sockets;
using TincPure.Primitives;

namespace TincPure.Host.Tests;

public sealed class ListenerTests : IDisposable
{
    private readonly RecordingSink _lines = new();
    private readonly Logger _log;

    public ListenerTests() => _log = new Logger(_lines, DebugLevel.connections);

    public void Dispose() => _log.Dispose();

    private IReadOnlyList<ListeningPair> Open(params (string?, string?)[] requests) =>
        new Listeners(new SocketSettings { Family = AddressFamily.InterNetwork }, _log).Open(
            [.. requests.Select(request => new ListenRequest(request.Item1, request.Item2, "ListenAddress"))], "0");

    private static void Close(IEnumerable<ListeningPair> pairs)
    {
        foreach (var pair in pairs)
            pair.Dispose();
    }

    private static int Port(Socket socket) => ((IPEndPoint)socket.LocalEndPoint!).Port;

    [Fact]
    public void With_port_0_all_sockets_share_the_port_of_the_first()
    {
        var pairs = Open(("127.0.0.1", null), ("127.0.0.2", null));
        var port = Port(pairs[0].Tcp);
        Assert.All(pairs, pair => Assert.Equal((port, port), (Port(pair.Tcp), Port(pair.Udp))));
        Assert.Equal(
            [$"Listening on 127.0.0.1 port {port}", $"Listening on 127.0.0.2 port {port}"], _lines.Lines);
        Close(pairs);
    }

    [Fact]
    public void A_port_that_is_taken_is_logged_and_without_any_other_the_start_ends()
    {
        var pairs = Open(("127.0.0.1", null));
        var port = Port(pairs[0].Tcp);
        var error = Assert.Throws<StartException>(() => Open(("127.0.0.1", port.ToString())));
        Assert.Equal("Unable to create any listening socket!", error.Message);
        Assert.Contains($"Can't bind to 127.0.0.1 port {port}/tcp: Address already in use", _lines.Lines);
        Close(pairs);
    }

    [Fact]
    public void Equal_addresses_count_once_and_more_than_eight_are_too_many()
    {
        var pairs = Open(("127.0.0.1", null), ("127.0.0.1", null));
        Assert.Single(pairs);
        Close(pairs);

        var nine = Enumerable.Range(1, 9).Select(i => ((string?)("127.0.1." + i), (string?)null)).ToArray();
        Assert.Equal("Too many listening sockets", Assert.Throws<StartException>(() => Open(nine)).Message);
    }

    [Fact]
    public void An_address_that_is_none_ends_the_start() =>
        Assert.StartsWith(
            "System call `getaddrinfo' failed: ",
            Assert.Throws<StartException>(() => Open(("no.such.host.invalid", null))).Message,
            StringComparison.Ordinal);

    [Fact]
    public void A_control_socket_that_is_served_is_refused_and_a_stale_one_replaced()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("tinc.socket");
        var first = ControlSocket.Open(path);
        Assert.Equal(
            "UNIX socket " + path + " is still in use!",
            Assert.Throws<StartException>(() => ControlSocket.Open(path)).Message);

        first.Socket.Dispose();
        using var second = ControlSocket.Open(path);
        if (!OperatingSystem.IsWindows())
            Assert.Equal((UnixFileMode)0b111_000_000, File.GetUnixFileMode(path));
    }

    [Fact]
    public void A_pid_file_is_for_its_owner_only_and_goes_with_the_daemon()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("tinc.pid");
        using (PidFile.Write(path, "COOKIE", new Endpoint(IpModule.v4(0x7f000001), 655, 0)))
        {
            Assert.Equal(Environment.ProcessId + " COOKIE 127.0.0.1 port 655\n", File.ReadAllText(path));
            if (!OperatingSystem.IsWindows())
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        }

        Assert.False(File.Exists(path));
        var missing = folder.File("no/pid");
        Assert.Equal(
            "Cannot write control socket cookie file " + missing + ": No such file or directory",
            Assert.Throws<StartException>(
                () => PidFile.Write(missing, "C", new Endpoint(IpModule.v4(0), 1, 0))).Message);
    }
}
