using TincPure.Routing;

namespace TincPure.Host.Engine;

/// <summary>The packet thread, seen from the control thread.</summary>
internal interface IPacketPlane : IDisposable
{
    /// <summary>Carried out between packets, in order.</summary>
    void Post(PacketCommand command);

    void Start();
}
