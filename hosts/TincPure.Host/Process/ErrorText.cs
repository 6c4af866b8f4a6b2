using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace TincPure.Host.Process;

/// <summary>The operating system's text for what went wrong, as it ends log lines.</summary>
public static class ErrorText
{
    public static string OfErrno(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    public static string Of(Exception error) =>
        error switch
        {
            SocketException { SocketErrorCode: SocketError.HostNotFound } => "Name or service not known",
            SocketException { SocketErrorCode: SocketError.TryAgain } => "Temporary failure in name resolution",
            SocketException { SocketErrorCode: SocketError.NoData } => "No address associated with hostname",
            SocketException e => OfErrno(e.NativeErrorCode),
            Win32Exception e => OfErrno(e.NativeErrorCode),
            FileNotFoundException or DirectoryNotFoundException => "No such file or directory",
            UnauthorizedAccessException => "Permission denied",
            // Other input and output errors carry the error number where .NET has no exception type for it.
            IOException e when !OperatingSystem.IsWindows() && e.HResult is > 0 and < 4096 => OfErrno(e.HResult),
            _ => error.Message,
        };
}
