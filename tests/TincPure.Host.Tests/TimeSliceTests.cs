using TincPure.Host.Linux;

namespace TincPure.Host.Tests;

public sealed class TimeSliceTests
{
    /// <summary>Kernels before that have no slices of threads' own.</summary>
    private static readonly bool IsKnown = Environment.OSVersion.Version >= new Version(6, 12);

    [Fact]
    public void Is_shorter_for_the_thread_that_asks_and_for_no_other()
    {
        var others = TimeSlice.Of(0);
        ulong before = 0, after = 0;
        var thread = new Thread(() =>
        {
            before = TimeSlice.Of(0);
            TimeSlice.Shorten();
            after = TimeSlice.Of(0);
        });
        thread.Start();
        thread.Join();
        Assert.Equal(others, before);
        Assert.Equal(IsKnown ? 300_000UL : before, after);
        Assert.Equal(others, TimeSlice.Of(0));
    }
}
