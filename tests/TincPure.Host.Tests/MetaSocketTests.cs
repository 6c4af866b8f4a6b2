using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.FSharp.Core;
using TincPure.Host.Engine;
using TincPure.Host.Logs;
using TincPure.Host.Sockets;
using TincPure.Node;
using TincPure.Primitives;

namespace TincPure.Host.Tests;

public sealed class MetaSocketTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Logger _log = new(new RecordingSink(), 0);
    private readonly InputQueue _inputs = new();
    private readonly MetaSockets _meta;
    private readonly List<Input> _seen = [];

    public MetaSocketTests() => _meta = new MetaSockets(_inputs, new SocketSettings(), new Resolver(_inputs), _log);

    public void Dispose()
    {
        _meta.Dispose();
        _log.Dispose();
    }

    private static Socket Listen()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }

    /// <summary>The next input of this kind; others wait for their turn.</summary>
    private T Next<T>() where T : Input
    {
        var deadline = DateTime.UtcNow + Patience;
        while (DateTime.UtcNow < deadline)
        {
            if (_seen.OfType<T>().FirstOrDefault() is { } wanted)
            {
                _seen.Remove(wanted);
                return wanted;
            }

            _inputs.Take(_seen, 100);
        }

        throw new TimeoutException("no " + typeof(T).Name);
    }

    private string ReceiveText(ConnectionId id, int length)
    {
        var text = new StringBuilder();
        while (text.Length < length)
        {
            var received = Next<Input.Received>();
            Assert.Equal(id, received.Item1);
            _meta.Consumed(id);
            text.Append(Encoding.ASCII.GetString(received.bytes));
        }

        return text.ToString();
    }

    [Fact]
    public void What_one_end_sends_the_other_receives_and_every_byte_is_accounted_for()
    {
        using var listener = Listen();
        _meta.Accept(listener);
        var outgoing = ConnectionId.NewOutgoing(7);
        _meta.Connect(outgoing, Endpoints.FromSocket(listener.LocalEndPoint));
        var accepted = Next<Input.Accepted>();
        Assert.True(accepted.remote.IsTcp);
        Assert.Equal(Endpoints.FromSocket(listener.LocalEndPoint), accepted.local.Value);

        var pieces = Enumerable.Range(0, 2000).Select(i => "line " + i + "\n").ToList();
        foreach (var piece in pieces)
            _meta.Send(accepted.Item1, Encoding.ASCII.GetBytes(piece));
        var whole = string.Concat(pieces);
        Assert.Equal(whole, ReceiveText(outgoing, whole.Length));

        for (var sent = 0; sent < whole.Length;)
            sent += Next<Input.Sent>().count;
    }

    [Fact]
    public void A_closed_connection_first_writes_what_is_queued_and_reports_nothing_more()
    {
        using var listener = Listen();
        _meta.Accept(listener);
        using var client = new TcpClient();
        client.Connect((IPEndPoint)listener.LocalEndPoint!);
        var id = Next<Input.Accepted>().Item1;

        var large = new byte[1_000_000];
        _meta.Send(id, large);
        _meta.Close(id);
        var stream = client.GetStream();
        stream.ReadTimeout = (int)Patience.TotalMilliseconds;
        Assert.Equal(large.Length, ReadToEnd(stream));

        client.Close();
        var batch = new List<Input>();
        _inputs.Take(batch, 200);
        Assert.DoesNotContain(batch, input => input is Input.Lost);
    }

    private static int ReadToEnd(NetworkStream stream)
    {
        var total = 0;
        var buffer = new byte[65536];
        for (int count; (count = stream.Read(buffer)) > 0;)
            total += count;
        return total;
    }

    [Fact]
    public void The_end_of_a_stream_is_reported_once_without_a_reason()
    {
        using var listener = Listen();
        _meta.Accept(listener);
        using (var client = new TcpClient())
            client.Connect((IPEndPoint)listener.LocalEndPoint!);

        Assert.Equal(FSharpValueOption<string>.None, Next<Input.Lost>().reason);
    }

    [Fact]
    public void A_connection_that_nobody_accepts_fails_with_the_reason()
    {
        using var listener = Listen();
        var target = Endpoints.FromSocket(listener.LocalEndPoint);
        listener.Close();
        _meta.Connect(ConnectionId.NewOutgoing(1), target);
        Assert.Equal("Connection refused", Next<Input.ConnectFailed>().reason);
    }

    [Fact]
    public void Reading_pauses_until_the_node_has_seen_what_came()
    {
        using var listener = Listen();
        _meta.Accept(listener);
        using var client = new TcpClient { SendBufferSize = 1 << 16 };
        client.Connect((IPEndPoint)listener.LocalEndPoint!);
        var id = Next<Input.Accepted>().Item1;
        client.Client.Blocking = false;

        var written = 0;
        for (var quiet = 0; quiet < 5;)
        {
            try
            {
                written += client.Client.Send(new byte[65536]);
                quiet = 0;
            }
            catch (SocketException)
            {
                quiet++;
                Thread.Sleep(50);
            }
        }

        var batch = new List<Input>();
        _inputs.Take(batch, 0);
        var waiting = batch.OfType<Input.Received>().Sum(received => received.bytes.Length);
        Assert.InRange(waiting, 1, written / 2);

        foreach (var _ in batch.OfType<Input.Received>())
            _meta.Consumed(id);
        Assert.NotNull(Next<Input.Received>());
    }

    [Fact]
    public void The_tarpit_keeps_ten_sockets_open_and_silent()
    {
        using var listener = Listen();
        _meta.Accept(listener);
        var clients = new List<TcpClient>();
        for (var i = 0; i < 11; i++)
        {
            var client = new TcpClient();
            client.Connect((IPEndPoint)listener.LocalEndPoint!);
            clients.Add(client);
            _meta.Tarpit(Next<Input.Accepted>().Item1);
            _meta.AcceptedConsumed();
        }

        Assert.True(clients[0].Client.Poll(Patience, SelectMode.SelectRead), "the first was closed for the eleventh");
        Assert.All(clients.Skip(1), client => Assert.False(client.Client.Poll(0, SelectMode.SelectRead)));
        clients.ForEach(client => client.Dispose());
    }
}
