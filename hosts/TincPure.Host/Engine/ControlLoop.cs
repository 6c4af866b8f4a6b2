using Microsoft.FSharp.Collections;
using TincPure.Host.Process;
using TincPure.Node;
using TincPure.Primitives;

namespace TincPure.Host.Engine;

/// <summary>The control thread: feeds the node with what happened, in batches, and carries out what it wants.</summary>
internal sealed class ControlLoop(
    CoreNode node, InputQueue inputs, EffectRunner effects, ServiceManager serviceManager, Clock clock)
{
    private readonly List<Input> _batch = [];

    /// <summary>Tells the node that it has started, before anything else. Its scripts have run when this returns.</summary>
    public void Start(Input started)
    {
        foreach (var effect in node.Step(clock.Now(), started))
        {
            effects.Run(effect);
            if (effect.IsRunScript)
                effects.FinishScripts();
        }
    }

    /// <summary>The start failed half-way: takes down what it had put up.</summary>
    public void Abandon()
    {
        Run(node.Step(clock.Now(), Input.DeviceLost));
        effects.FinishScripts();
    }

    /// <summary>Runs until the node wants to leave; its exit code.</summary>
    public int Run()
    {
        while (effects.ExitCode is null)
            Turn();
        return effects.ExitCode.Value;
    }

    private void Turn()
    {
        _batch.Clear();
        inputs.Take(_batch, Sooner(MillisecondsUntil(effects.WakeAt), serviceManager.Beat()));

        if (effects.WakeAt.Microseconds <= clock.Now().Microseconds)
        {
            effects.WakeAt = InstantModule.distant;
            _batch.Add(Input.Woken);
        }

        if (_batch.Count == 0)
            return;

        foreach (var input in _batch)
        {
            Run(node.Step(clock.Now(), input));
            effects.Consumed(input);
        }

        Run(node.Settle(clock.Now()));
    }


    private void Run(FSharpList<Effect> wanted)
    {
        foreach (var effect in wanted)
            effects.Run(effect);
    }

    /// <summary>Of two waits the shorter; -1 is for ever.</summary>
    private static int Sooner(int one, int other) => (int)Math.Min((uint)one, (uint)other);

    private int MillisecondsUntil(Instant moment)
    {
        if (moment.Microseconds == InstantModule.distant.Microseconds)
            return Timeout.Infinite;

        var microseconds = moment.Microseconds - clock.Now().Microseconds;
        return microseconds <= 0 ? 0 : (int)Math.Min((microseconds + 999) / 1000, int.MaxValue);
    }
}
