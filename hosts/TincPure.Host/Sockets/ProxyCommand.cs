using System.Diagnostics;
using System.Net.Sockets;

namespace TincPure.Host.Sockets;

/// <summary>A command that carries a meta connection on its standard input and output (Proxy = exec).</summary>
internal static class ProxyCommand
{
    /// <summary>Starts the command in the shell; the socket's other end is copied to and from it until either ends.</summary>
    public static Socket Start(string command, IEnumerable<Tuple<string, string>> environment)
    {
        var shell = OperatingSystem.IsWindows()
            ? new ProcessStartInfo("cmd.exe", ["/c", command])
            : new ProcessStartInfo("/bin/sh", ["-c", command]);
        shell.RedirectStandardInput = true;
        shell.RedirectStandardOutput = true;
        foreach (var (name, value) in environment)
            shell.Environment[name] = value;

        var (near, far) = Pair();
        try
        {
            var process = System.Diagnostics.Process.Start(shell)
                ?? throw new IOException("Could not start the shell");
            _ = Task.Run(() => Carry(process, far));
            return near;
        }
        catch
        {
            near.Dispose();
            far.Dispose();
            throw;
        }
    }

    /// <summary>Two connected sockets, by a path that nobody else can reach.</summary>
    private static (Socket Near, Socket Far) Pair()
    {
        var folder = Directory.CreateTempSubdirectory("tinc-proxy-");
        try
        {
            var endpoint = new UnixDomainSocketEndPoint(Path.Combine(folder.FullName, "pair"));
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(endpoint);
            listener.Listen(1);
            var near = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            near.Connect(endpoint);
            return (near, listener.Accept());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task Carry(System.Diagnostics.Process process, Socket socket)
    {
        using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            var outward = CopyAndClose(stream, process.StandardInput.BaseStream);
            var inward = process.StandardOutput.BaseStream.CopyToAsync(stream);
            await Task.WhenAny(outward, inward);
        }
        catch (IOException)
        {
            // One end is gone; the other follows below.
        }
        finally
        {
            stream.Close();
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
            process.Dispose();
        }
    }

    private static async Task CopyAndClose(Stream from, Stream to)
    {
        await from.CopyToAsync(to);
        to.Close();
    }
}
