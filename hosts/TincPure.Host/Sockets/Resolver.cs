using System.Net;
using System.Net.Sockets;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Host.Engine;
using TincPure.Host.Process;
using TincPure.Node;
using TincPure.Primitives;

namespace TincPure.Host.Sockets;

/// <summary>Looks names and addresses up, off the control thread.</summary>
internal sealed class Resolver(InputQueue inputs) : IDisposable
{
    private readonly LookupThreads _threads = new();

    public void Resolve(int request, AddressFamily family, string host, string port) =>
        _threads.Run(() => inputs.Post(Input.NewResolved(request, Lookup(host, port, family))));

    public Task<FSharpResult<FSharpList<Endpoint>, string>> Resolve(string host, string port, AddressFamily family)
    {
        var found = new TaskCompletionSource<FSharpResult<FSharpList<Endpoint>, string>>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        _threads.Run(() => found.SetResult(Lookup(host, port, family)));
        return found.Task;
    }

    public void FindName(Ip ip) => _threads.Run(() => inputs.Post(Input.NewNameFound(ip, NameOf(IpModule.toIPAddress(ip)))));

    private static FSharpValueOption<string> NameOf(IPAddress address)
    {
        try
        {
            var name = Dns.GetHostEntry(address).HostName;
            return name == address.ToString()
                ? FSharpValueOption<string>.None
                : FSharpValueOption<string>.Some(name);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            return FSharpValueOption<string>.None;
        }
    }

    /// <summary>All addresses of the host, in the resolver's order.</summary>
    public static FSharpResult<FSharpList<Endpoint>, string> Lookup(string host, string port, AddressFamily family)
    {
        try
        {
            if (!ServicePort.TryParse(port, out var number))
                return FSharpResult<FSharpList<Endpoint>, string>.NewError("Servname not supported for ai_socktype");

            var addresses = Dns.GetHostAddresses(host, family);
            var endpoints = addresses.Select(address => Endpoints.FromAddress(address, number));
            return FSharpResult<FSharpList<Endpoint>, string>.NewOk(ListModule.OfSeq(endpoints));
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            return FSharpResult<FSharpList<Endpoint>, string>.NewError(ErrorText.Of(e));
        }
    }

    public void Dispose() => _threads.Dispose();
}
