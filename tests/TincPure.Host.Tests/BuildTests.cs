using TincPure.Host;

namespace TincPure.Host.Tests;

public class BuildTests
{
    [Fact]
    public void The_build_states_its_version() => Assert.NotEmpty(BuildInfo.Version);
}
