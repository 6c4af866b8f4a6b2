using TincPure.Host.Files;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Host.Scripts;
using TincPure.Host.Sockets;
using TincPure.Node;
using TincPure.Primitives;

namespace TincPure.Host.Engine;

/// <summary>Carries out what the core decided. Knows how, never whether.</summary>
internal sealed class EffectRunner(
    Logger log,
    MetaSockets meta,
    PacketPlane packets,
    Resolver resolver,
    ScriptRunner scripts,
    NodeFiles files,
    AddressQueries addresses,
    Privileges privileges)
{
    /// <summary>When the node wants to be woken.</summary>
    public Instant WakeAt { get; set; } = InstantModule.distant;

    /// <summary>Set when the node wants to leave.</summary>
    public int? ExitCode { get; private set; }

    public void Run(Effect effect)
    {
        switch (effect)
        {
            case Effect.Log e:
                log.WriteAnyway(e.Item.Priority, e.Item.Text);
                break;
            case var _ when effect.IsReopenLog:
                log.Reopen();
                break;
            case Effect.ShowUpTo e:
                log.Level = e.level;
                break;
            case Effect.Send e:
                meta.Send(e.Item1, e.Item2);
                break;
            case Effect.Connect e:
                meta.Connect(e.Item1, e.target);
                break;
            case Effect.ConnectToProxy e:
                meta.ConnectToProxy(e.Item1, e.server);
                break;
            case Effect.RunProxy e:
                meta.RunProxy(e.Item1, e.command, e.environment);
                break;
            case Effect.Close e:
                meta.Close(e.Item);
                break;
            case Effect.Tarpit e:
                meta.Tarpit(e.Item);
                break;
            case Effect.Resolve e:
                resolver.Resolve(e.request, SocketPlan.FamilyOf(e.Item2), e.host, e.port);
                break;
            case Effect.LookUpName e:
                resolver.FindName(e.Item);
                break;
            case Effect.Packet e:
                packets.Post(e.Item);
                break;
            case Effect.WakeAt e:
                WakeAt = e.Item;
                break;
            case Effect.RunScript e:
                scripts.Start(e.Item);
                break;
            case Effect.ReadHostFile e:
                files.ReadHost(e.Item);
                break;
            case Effect.AppendHostFile e:
                files.AppendHost(e.Item1, e.text);
                break;
            case Effect.TakeInvitation e:
                files.TakeInvitation(e.Item1, e.file);
                break;
            case Effect.RemoveInvitation e:
                files.RemoveInvitation(e.file);
                break;
            case Effect.CreateHostFile e:
                files.CreateHost(e.Item1, e.Item2, e.text);
                break;
            case Effect.SaveRecentAddresses e:
                files.SaveRecentAddresses(e.Item1, e.Item2);
                break;
            case Effect.WriteGraph e:
                files.WriteGraph(e.target, e.text);
                break;
            case var _ when effect.IsDropPrivileges:
                privileges.Drop();
                break;
            case Effect.AskPathMtu e:
                addresses.AskPathMtu(e.peer, e.target);
                break;
            case Effect.AskLocalAddress e:
                addresses.AskLocal(e.source, e.frame, e.sender);
                break;
            case Effect.Exit e:
                ExitCode = e.code;
                break;
            default:
                if (effect.IsReadConfiguration)
                    files.ReadConfiguration();
                break;
        }
    }

    public void FinishScripts() => scripts.Finish();

    /// <summary>The node has seen this input: whoever posted it may post more.</summary>
    public void Consumed(Input input)
    {
        switch (input)
        {
            case Input.Received received:
                meta.Consumed(received.Item1);
                break;
            case Input.Accepted:
                meta.AcceptedConsumed();
                break;
        }
    }
}
