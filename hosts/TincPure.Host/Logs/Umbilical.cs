using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using TincPure.Host.Process;

namespace TincPure.Host.Logs;

/// <summary>The descriptor on which `tinc start` waits for the daemon to be ready (spec 05 §2.7).</summary>
internal sealed class Umbilical : IDisposable
{
    public const string Variable = "TINC_UMBILICAL";

    private FileStream? _stream;

    private Umbilical(FileStream stream) => _stream = stream;

    /// <summary>From the environment; nothing if there is none or its descriptor is not open.</summary>
    public static Umbilical? FromEnvironment()
    {
        var value = Environment.GetEnvironmentVariable(Variable);
        Environment.SetEnvironmentVariable(Variable, null);
        var number = value?.Split(' ')[0];
        if (OperatingSystem.IsWindows()
            || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var descriptor))
            return null;

        try
        {
            Posix.CloseOnExec(descriptor);
            var handle = new SafeFileHandle(descriptor, ownsHandle: true);
            return new Umbilical(new FileStream(handle, FileAccess.Write, bufferSize: 0));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    public void Write(string line) => WriteBytes(Encoding.UTF8.GetBytes(line + "\n"));

    /// <summary>The daemon is ready.</summary>
    public void Succeed()
    {
        WriteBytes([0]);
        Dispose();
    }

    private void WriteBytes(byte[] bytes)
    {
        try
        {
            _stream?.Write(bytes);
        }
        catch (IOException)
        {
            // The starter has gone.
            Dispose();
        }
    }

    public void Dispose()
    {
        _stream?.Dispose();
        _stream = null;
    }
}
