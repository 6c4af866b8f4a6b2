namespace TincPure.Interop.Tests.Differential;

/// <summary>The cases of spec 05 in which something in the files is wrong.</summary>
public static class BadStarts
{
    private const string Ed25519 = "ed25519_key.priv", Rsa = "rsa_key.priv";

    private const string Pre18 = "pre18 does not know it";

    private const string Words = "the words of its libraries";

    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public static IEnumerable<BadStart> All => [.. Refused(), .. Accepted(), .. Numbers(), .. Keys(), .. OfFiles()];

    // ---- Values that end the start, each with where they stand and what is allowed

    private static IEnumerable<BadStart> Refused()
    {
        (string Line, string Text, string Allowed)[] values =
        [
            ("AddressFamily = bogus", "Invalid address family!", "ipv4, ipv6, any"),
            ("Broadcast = bogus", "Invalid broadcast mode!", "no, yes, mst, direct"),
            ("Forwarding = YES", "Invalid forwarding mode!", "off, internal, kernel"),
            ("Mode = bogus", "Invalid routing mode!", "router, switch, hub"),
            ("ProcessPriority = bogus", "Invalid priority `bogus`!", "low, normal, high"),
            ("Proxy = bogus", "Unknown proxy type bogus!", "none, socks4, socks4a, socks5, http, exec"),
            ("Proxy = socks4", "Host and port argument expected for proxy!", "none, socks4"),
            ("Proxy = http h", "Host and port argument expected for proxy!", "none, socks4"),
            ("Proxy = exec", "Argument expected for proxy type exec!", "none, socks4"),
            ("DeviceType = bogus", "Unknown device type bogus!", "tun, tap, dummy"),
            ("DeviceType = utun", "Unknown device type utun!", "tun, tap, dummy"),
            ("Cipher = bogus", "Unrecognized cipher type!", "none, aes-"),
            ("Digest = bogus", "Unrecognized digest type!", "none, "),
            ("Compression = 13", "Bogus compression level!", "a whole number from 0 to 12"),
            ("Compression = -1", "Bogus compression level!", "a whole number from 0 to 12"),
            ("Compression = 99999999999", "Bogus compression level!", "a whole number from 0 to 12"),
            ("MACLength = -1", "Bogus MAC length!", "a whole number from 0"),
            ("MaxConnectionBurst = 0", "MaxConnectionBurst cannot be negative!", "a whole number from 1"),
            ("MaxConnectionBurst = -5", "MaxConnectionBurst cannot be negative!", "a whole number from 1"),
            ("MaxTimeout = 0", "Bogus maximum timeout!", "a whole number from 1"),
            ("MaxTimeout = -5", "Bogus maximum timeout!", "a whole number from 1"),
            ("ReplayWindow = -1", "ReplayWindow cannot be negative!", "a whole number from 0"),
            ("UDPRcvBuf = -1", "UDPRcvBuf cannot be negative!", "a whole number from 0"),
            ("UDPSndBuf = -1", "UDPSndBuf cannot be negative!", "a whole number from 0"),
            ("Name = bad-name", "Name for tinc daemon required!", "a node name"),
            ("Name = $NO_SUCH_VARIABLE", "Name for tinc daemon required!", "a node name"),
            ("Name = two words", "Name for tinc daemon required!", "a node name"),
            ("Name = $", "Name for tinc daemon required!", "a node name"),
            ("BindToAddress = 256.1.1.1", "System call `getaddrinfo' failed: ", "a host name or address"),
            ("BindToAddress = 127.0.0.1 nosuch", "System call `getaddrinfo' failed: ", "a host name or address"),
            ("BindToAddress = ::1 0", "System call `getaddrinfo' failed: ", "a host name or address"),
            ("ListenAddress = * -1", "System call `getaddrinfo' failed: ", "a host name or address"),
            ("BindToAddress = 192.0.2.1", "Unable to create any listening socket!", "a host name or address"),
            ("Device = /nosuch\nDeviceType = tun", "Could not open /nosuch: ", "/dev/net/tun"),
        ];
        foreach ((string line, string text, string allowed) in values)
        {
            yield return new BadStart(line, false, text) { OursAdds = ["tinc.conf line 1", "allowed: " + allowed] };
        }

        foreach (string port in (string[])["nosuch", "-1"])
        {
            yield return new BadStart("Port = " + port + "\nBindToAddress = *", false)
            {
                OursAdds = ["tinc.conf line 1", "allowed: a port number"],
            };
        }

        foreach ((string subnet, string text) in ((string, string)[])
            [("10.0.0.1/24", "Network address and prefix length do not match"), ("10.0.0.0/33", "Subnet expected"), ("x", "Subnet expected"), ("10.0.0.0/8#x", "Subnet expected")])
        {
            yield return new BadStart("Subnet = " + subnet, false, text + " for configuration variable Subnet in D/tinc.conf line 1");
        }

        yield return new BadStart("Name = $", false, "Name for tinc daemon required!");
        yield return new BadStart(string.Concat(Enumerable.Range(2, 9).Select(i => $"ListenAddress = 127.0.0.{i} 0\n")), false, "Too many listening sockets")
        {
            OursAdds = ["ListenAddress = 127.0.0.9 0 in D/tinc.conf line 8"],
        };
        yield return new BadStart("Sandbox = bogus", false, "Bad sandbox value bogus!")
        {
            StockDoesOtherwise = Pre18,
            OursAdds = ["tinc.conf line 1", "allowed: off, normal, high"],
        };
        // Not uml: stock leaves a socket behind that is in its own way the next time.
        yield return new BadStart("DeviceType = raw_socket", false, "Unknown device type raw_socket!")
        {
            StockDoesOtherwise = "ours has TUN, TAP and dummy devices",
            OursAdds = ["tinc.conf line 1", "allowed: tun, tap, dummy"],
        };

        foreach (string option in (string[])["Mode=bogus", "Port"])
        {
            yield return new BadStart("", false) { Arguments = ["-o", option], OursAdds = ["in command line option 1"] };
        }
    }

    // ---- Values that daemons complain about, and go on

    private static IEnumerable<BadStart> Accepted()
    {
        string[] flags =
        [
            "AutoConnect", "DecrementTTL", "DeviceStandby", "DirectOnly", "Hostnames", "LocalDiscovery", "PriorityInheritance", "StrictSubnets",
            "TunnelServer", "UDPDiscovery", "ClampMSS", "IndirectData", "PMTUDiscovery", "TCPOnly", "DisableBuggyPeers", "ExperimentalProtocol",
        ];
        foreach (string value in (string[])["maybe", "1", "yes please"])
        {
            yield return new BadStart(
                string.Concat(flags.Select(flag => $"{flag} = {value}\n")),
                true,
                [.. flags.Select((flag, i) => $"\"yes\" or \"no\" expected for configuration variable {flag} in D/tinc.conf line {i + 1}")]);
        }

        yield return new BadStart("BroadcastSubnet = x\nBroadcastSubnet = 10.0.0.1/8\nConnectTo = bad-name\nConnectTo = foo\nNoSuchVariable = 1\n  Mode = bogus", true,
            "Subnet expected for configuration variable BroadcastSubnet in D/tinc.conf line 1",
            "Network address and prefix length do not match for configuration variable BroadcastSubnet in D/tinc.conf line 2")
        {
            // Stock says so only after it is ready, when it is told to end already.
            OursAdds = ["Invalid name for outgoing connection in D/tinc.conf line 3"],
        };
        yield return new BadStart("Mode = router\nMode = bogus", true);
        yield return new BadStart("Mode == router", false, "Invalid routing mode!") { OursAdds = ["Mode = = router in D/tinc.conf line 1"] };
        yield return new BadStart("UPnP = bogus\nMACLength = 99\nPingTimeout = 99\nPingInterval = 0\nVDEGroup = nosuch", true);
        yield return new BadStart("BindToAddress = 127.0.0.1  0", true);
        yield return new BadStart("Port = http\nBindToAddress = 127.0.0.1 0", true) { StockDoesOtherwise = "pre18 looks services up for UDP" };
        yield return new BadStart("BindToInterface = nosuch0", false, "Can't bind to interface nosuch0: ") { OursAdds = ["Unable to create any listening socket!"] };
    }

    private static IEnumerable<BadStart> Numbers()
    {
        string[] numbers =
        [
            "PingInterval", "PingTimeout", "MaxOutputBufferSize", "UDPDiscoveryKeepaliveInterval", "UDPDiscoveryInterval", "UDPDiscoveryTimeout",
            "MTUInfoInterval", "UDPInfoInterval", "MACExpire", "MaxTimeout", "KeyExpire", "InvitationExpire", "MaxConnectionBurst", "UDPRcvBuf",
            "UDPSndBuf", "FWMark", "ReplayWindow", "MACLength", "Compression", "LogLevel",
        ];
        string Complaint(string variable, int index) => $"Integer expected for configuration variable {variable} in D/tinc.conf line {index + 1}";
        yield return new BadStart(string.Concat(numbers.Select(number => $"{number} = lots\n")), true, [.. numbers.Select(Complaint)]);
        string[] unbounded = [.. numbers.Except(["Compression"])];
        yield return new BadStart(string.Concat(unbounded.Select(number => $"{number} = 99999999999\n")), true, [.. unbounded.Select(Complaint)])
        {
            StockSaysOtherwise = "takes what is left of it in 32 bits",
        };
        yield return new BadStart("PingInterval = 12abc\nMaxTimeout = 3.7\nKeyExpire = -5\nMACExpire = 0", true);
    }

    // ---- Key files

    private static IEnumerable<BadStart> Keys()
    {
        string reading = $"Reading Ed25519 private key file `D/{Ed25519}' failed", insecure = $"Warning: insecure file permissions for Ed25519 private key file `D/{Ed25519}'!";
        const string noSptps = "Support for SPTPS disabled.", noLegacy = "Support for legacy protocol disabled.", create = "Create an ";
        yield return new BadStart("", true, $"Error reading Ed25519 private key file `D/{Ed25519}': No such file or directory", create, noSptps) { Files = Without(Ed25519) };
        yield return new BadStart("", true, $"Error reading RSA private key file `D/{Rsa}': No such file or directory", create, noLegacy) { Files = Without(Rsa) };
        yield return new BadStart("", false, noSptps, "No private keys available, cannot start tinc!") { Files = Without(Ed25519, Rsa) };
        yield return new BadStart("ExperimentalProtocol = yes", false, "Error reading Ed25519") { Files = Without(Ed25519), OursAdds = ["ExperimentalProtocol = yes in D/tinc.conf line 1", "allowed: yes with a key in D/" + Ed25519] };
        yield return new BadStart("ExperimentalProtocol = no", false, "No private keys available, cannot start tinc!") { Files = Without(Rsa), OursAdds = ["ExperimentalProtocol = no in D/tinc.conf line 1"] };
        yield return new BadStart("", true, reading, noSptps) { Files = With(Ed25519, ""), OursAdds = ["Remedy: "] };
        yield return new BadStart("", true, "Invalid base64 data in PEM file", reading, noSptps) { Files = With(Ed25519, Pem("!!!!")), OursAdds = ["Remedy: "] };
        yield return new BadStart("", true, "Too little base64 data in PEM file", reading, noSptps) { Files = With(Ed25519, Pem("AAAA")), OursAdds = ["Remedy: "] };
        yield return new BadStart("", true, $"Error reading Ed25519 private key file `D/{Ed25519}': Is a directory", noSptps) { Files = With(Ed25519 + "/", ""), StockSaysOtherwise = "reads the folder as a file" };
        yield return new BadStart("", true, $"Reading RSA private key file `D/{Rsa}' failed", noLegacy) { Files = With(Rsa, ""), OursAdds = ["Remedy: "] };
        yield return new BadStart("", true, $"Reading RSA private key file `D/{Rsa}' failed", noLegacy) { Files = With(Rsa, "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"), OursAdds = ["Remedy: "] };
        yield return new BadStart("", true, insecure) { Modes = Mode(Ed25519, Owner | UnixFileMode.OtherRead), OursAdds = [$"Remedy: chmod 600 D/{Ed25519}"] };
        yield return new BadStart("", true, insecure) { Modes = Mode(Ed25519, Owner | UnixFileMode.SetUser), OursAdds = ["Remedy: "] };
        yield return new BadStart("", true, insecure.Replace("Ed25519", "RSA").Replace(Ed25519, Rsa)) { Modes = Mode(Rsa, Owner | UnixFileMode.GroupRead), OursAdds = [$"Remedy: chmod 600 D/{Rsa}"] };
        yield return new BadStart("", true) { Modes = Mode(Ed25519, UnixFileMode.UserRead) };
        yield return new BadStart("Ed25519PrivateKeyFile = no/such", true, "Error reading Ed25519 private key file `D/no/such': No such file or directory", noSptps) { StockSaysOtherwise = "the path as it stands in the file" };
        yield return new BadStart("PrivateKeyFile = /no/such", true, "Error reading RSA private key file `/no/such': No such file or directory", create, noLegacy);
        yield return new BadStart("Ed25519PrivateKeyFile = sub/key", true, "Warning: insecure file permissions for Ed25519 private key file `D/sub/key'!") { Files = With("sub/key", ""), StockSaysOtherwise = "the path as it stands in the file" };
        yield return new BadStart("PrivateKey = ABCD", true, "PrivateKey used but no PublicKey found!", noLegacy);
        yield return new BadStart("PrivateKey = XYZ\nPublicKey = ABCD", true, "Invalid PublicKey for myself!", noLegacy) { StockSaysOtherwise = Words };
        yield return new BadStart("", true, "Reading Ed25519 private key file `D/invitations/ed25519_key.priv' failed") { Files = With("invitations/ed25519_key.priv", "x"), OursAdds = ["Remedy: delete D/invitations/ed25519_key.priv"] };
        yield return new BadStart("", true, "Invalid size 1 for public key!") { Files = With("hosts/bar", "Ed25519PublicKey = x\n"), StockSaysOtherwise = "only when the key is needed", OursAdds = ["Remedy: Ed25519PublicKey in D/hosts/bar line 1 must be the public key of bar"] };
    }

    // ---- Files

    private static IEnumerable<BadStart> OfFiles()
    {
        yield return new BadStart("Mode", false, "No value for variable `Mode' on line 1 while reading config file D/tinc.conf");
        yield return new BadStart("Mode =", false, "No value for variable `Mode' on line 1 while reading config file D/tinc.conf");
        yield return new BadStart("", false, "Cannot open config file D/tinc.conf: No such file or directory", "Failed to read `D/tinc.conf': No such file or directory") { Files = Without("tinc.conf") };
        yield return new BadStart("", false, "Failed to read `D/tinc.conf': Is a directory") { Files = With("tinc.conf/", "") };
        yield return new BadStart("", false, "No value for variable `Port' on line 1 while reading config file D/conf.d/a.conf") { Files = With("conf.d/a.conf", "Port\n") };
        yield return new BadStart("", false, "Failed to read `D/conf.d/a.conf': Is a directory") { Files = With("conf.d/a.conf/", "") };
        yield return new BadStart("", true) { Files = With("conf.d/a", "Port\n") };
        yield return new BadStart("", false, "Name for tinc daemon required!") { Files = With("tinc.conf", "\ufeffName = foo\n") };
        yield return new BadStart("", true, "Cannot open config file D/hosts/foo: No such file or directory") { Files = Without("hosts/foo") };
        yield return new BadStart("", true, "No value for variable `Port' on line 2 while reading config file D/hosts/foo") { Files = With("hosts/foo", "Subnet = 10.0.0.0/8\nPort\nSubnet = 10.0.0.1/8\n") };
        yield return new BadStart("", true, "No value for variable `Port' on line 2 while reading config file D/hosts/bar") { Files = With("hosts/bar", "Subnet = 10.0.0.0/8\nPort\n") };
        yield return new BadStart("StrictSubnets = yes", true, "Subnet expected for configuration variable Subnet in D/hosts/bar line 1") { Files = With("hosts/bar", "Subnet = x\n") };
        yield return new BadStart("", true, "Could not open D/hosts: No such file or directory") { Files = Without("hosts/") };
        yield return new BadStart("# " + new string('x', 3000), true) { StockDoesOtherwise = "takes the rest of a long comment for a line" };
        yield return new BadStart("GraphDumpFile = " + new string('x', 3000), false) { OursAdds = ["Line longer than 2048 bytes in D/tinc.conf line 1"] };
    }

    private static string Pem(string body) => $"-----BEGIN ED25519 PRIVATE KEY-----\n{body}\n-----END ED25519 PRIVATE KEY-----\n";

    private static Dictionary<string, string?> With(string path, string text) => new() { [path] = text };

    private static Dictionary<string, string?> Without(params string[] paths) => paths.ToDictionary(path => path, _ => (string?)null);

    private static Dictionary<string, UnixFileMode> Mode(string path, UnixFileMode mode) => new() { [path] = mode };
}
