using System.Globalization;
using System.Security.Cryptography;
using TincPure.Host.Process;
using TincPure.Primitives;

namespace TincPure.Host.Files;

/// <summary>The file by which control programs find a running daemon (spec 05 §2.5). Removed when disposed.</summary>
internal sealed class PidFile : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _path;

    private PidFile(string path, string cookie)
    {
        _path = path;
        Cookie = cookie;
    }

    /// <summary>What control programs must know: 32 random bytes in upper-case hexadecimal.</summary>
    public string Cookie { get; }

    public static string NewCookie() => Convert.ToHexString(RandomNumberGenerator.GetBytes(32));

    /// <summary>The socket that belongs to a pid file.</summary>
    public static string SocketPath(string pidFile) =>
        (pidFile.EndsWith(".pid", StringComparison.Ordinal) && pidFile != ".pid" ? pidFile[..^".pid".Length] : pidFile)
        + ".socket";

    /// <summary>The whole content. A wildcard address is written as the loopback address.</summary>
    public static string Content(int pid, string cookie, Endpoint listening)
    {
        var ip = listening.Ip;
        if (ip.High == 0 && ip.Low == 0)
            ip = ip.IsV6 ? IpModule.v6(0, 1) : IpModule.v4(0x7f000001);
        var endpoint = EndpointModule.toText(new Endpoint(ip, listening.Port, listening.Scope));
        return pid.ToString(CultureInfo.InvariantCulture) + " " + cookie + " " + endpoint + "\n";
    }

    /// <exception cref="StartException">It cannot be written.</exception>
    public static PidFile Write(string path, string cookie, Endpoint listening)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;

        try
        {
            using var stream = new FileStream(path, options);
            stream.Write(System.Text.Encoding.ASCII.GetBytes(Content(Environment.ProcessId, cookie, listening)));
            return new PidFile(path, cookie);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartException("Cannot write control socket cookie file " + path + ": " + ErrorText.Of(e));
        }
    }

    public void Dispose()
    {
        try
        {
            File.Delete(_path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Privileges were dropped or the directory went away; a stale pid file is recognised by its readers.
        }
    }
}
