using System.Net;
using System.Net.Sockets;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Host.Engine;
using TincPure.Host.Process;
using TincPure.Node;
using TincPure.Primitives;

namespace TincPure.Host.Sockets;

/// <summary>Looks names up, off the control thread.</summary>
internal sealed class Resolver(InputQueue inputs, SocketSettings settings)
{
    public void Resolve(int request, string host, string port) =>
        _ = Task.Run(async () => inputs.Post(Input.NewResolved(request, await Lookup(host, port, settings.Family))));

    /// <summary>All addresses of the host, in the resolver's order.</summary>
    public static async Task<FSharpResult<FSharpList<Endpoint>, string>> Lookup(
        string host, string port, AddressFamily family)
    {
        try
        {
            if (!ServicePort.TryParse(port, out var number))
                return FSharpResult<FSharpList<Endpoint>, string>.NewError("Servname not supported for ai_socktype");

            var addresses = await Dns.GetHostAddressesAsync(host, family);
            var endpoints = addresses.Select(address => Endpoints.FromAddress(address, number));
            return FSharpResult<FSharpList<Endpoint>, string>.NewOk(ListModule.OfSeq(endpoints));
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            return FSharpResult<FSharpList<Endpoint>, string>.NewError(ErrorText.Of(e));
        }
    }
}
