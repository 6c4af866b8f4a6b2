using System.Net.Sockets;
using Microsoft.FSharp.Core;
using TincPure.Host.Engine;
using TincPure.Host.Linux;
using TincPure.Host.Process;
using TincPure.Node;
using TincPure.Primitives;

namespace TincPure.Host.Sockets;

/// <summary>What the kernel's routing knows: the path MTU to an address, our address on the way to another.</summary>
internal sealed class AddressQueries(InputQueue inputs)
{
    public void AskPathMtu(int peer, Endpoint target) =>
        inputs.Post(Input.NewPathMtuKnown(peer, target.Ip.IsV6, PathMtu(target)));

    private static FSharpResult<int, string> PathMtu(Endpoint target)
    {
        if (!OperatingSystem.IsLinux())
            return FSharpResult<int, string>.NewError("the path MTU cannot be asked for on this system");

        try
        {
            using var socket = Towards(target);
            LinuxSocketOptions.DiscoverPathMtu(socket);
            socket.Connect(Endpoints.ToSocket(target));
            return FSharpResult<int, string>.NewOk(LinuxSocketOptions.PathMtu(socket));
        }
        catch (SocketException e)
        {
            return FSharpResult<int, string>.NewError(ErrorText.Of(e));
        }
    }

    /// <summary>No answer when there is no way to the sender: then there is nobody to send an ICMP error to.</summary>
    public void AskLocal(int source, byte[] frame, Ip sender)
    {
        // Any port will do: nothing is sent.
        var target = new Endpoint(sender, 1, 0);
        try
        {
            using var socket = Towards(target);
            socket.Connect(Endpoints.ToSocket(target));
            inputs.Post(Input.NewLocalAddressKnown(source, frame, Endpoints.FromSocket(socket.LocalEndPoint).Ip));
        }
        catch (SocketException)
        {
        }
    }

    private static Socket Towards(Endpoint target) =>
        new(Endpoints.ToSocket(target).AddressFamily, SocketType.Dgram, ProtocolType.Udp);
}
