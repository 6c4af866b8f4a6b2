using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>A message as a syslog daemon gets it.</summary>
/// <param name="Priority">0 (emergency) to 7 (debug); -1 for what is no message of a daemon's.</param>
/// <param name="Identity">Who says so: <c>tinc</c>, <c>tinc.NETNAME</c>.</param>
public sealed record SyslogMessage(int Priority, string Identity, string Text);

/// <summary>
/// A syslog daemon for one node, which finds it at /dev/log as always: in a mount namespace of its own. What it hears is in the node's log, too.
/// </summary>
public sealed partial class Syslog : IDisposable
{
    private const int Daemon = 3 << 3; // the facility

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly List<SyslogMessage> _messages = [];

    public Syslog(Node node)
    {
        string path = Path.Combine(node.Folder, "devlog");
        File.Delete(path);
        _socket.Bind(new UnixDomainSocketEndPoint(path));
        new Thread(() => Receive(node.Log.Path)) { IsBackground = true }.Start();
        // A /dev of links to the old one, and the socket beside.
        string setUp =
            $"""
            mkdir -p {node.Folder}/dev && mount --rbind /dev {node.Folder}/dev && mount -t tmpfs tmpfs /dev
            for entry in {node.Folder}/dev/*; do ln -s $entry /dev; done
            ln -sf {path} /dev/log
            """;
        node.Prelude = $"c=$1; shift; set -- \"$c\" unshare -m sh -c '{setUp}\nexec \"$@\"' log \"$@\"";
    }

    public SyslogMessage[] Messages
    {
        get
        {
            lock (_messages) return [.. _messages];
        }
    }

    /// <summary>How many messages match.</summary>
    public int Count(string pattern) => Messages.Count(message => Regex.IsMatch(message.Text, pattern));

    public void Dispose() => _socket.Dispose();

    private void Receive(string log)
    {
        byte[] buffer = new byte[4096];
        try
        {
            while (true)
            {
                string text = Encoding.UTF8.GetString(buffer, 0, _socket.Receive(buffer));
                Match match = Form().Match(text);
                int code = match.Success ? int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : -1;
                SyslogMessage message = (code & ~7) == Daemon ? new(code & 7, match.Groups[2].Value, match.Groups[3].Value) : new(-1, "", text);
                lock (_messages) _messages.Add(message);
                File.AppendAllText(log, message.Text + "\n");
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
        {
            // This is how it ends.
        }
    }

    [GeneratedRegex(@"^<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ([^ \[]+)\[\d+\]: (.*)$", RegexOptions.Singleline)]
    private static partial Regex Form();
}
