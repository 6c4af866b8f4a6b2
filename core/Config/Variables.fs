namespace TincPure.Config

open System
open System.Collections.Generic
open TincPure.Crypto.Legacy

/// What a value must look like (spec 05 §4.2).
[<RequireQualifiedAccess>]
type Kind =
    | YesNo
    /// A whole number; `unit` is for people.
    | Whole of unit: string
    | OneOf of choices: string list
    | NodeNameOrEnvironment
    | NodeNames
    | SubnetText
    /// Host, one blank, port; the port may be missing.
    | HostAndPort
    | PortText
    | Words
    | Path
    | Command
    | Base64
    | Hexadecimal

/// What a reload makes of a variable (spec 05 §5).
[<RequireQualifiedAccess>]
type Reload =
    /// Absent keeps the running value.
    | Reread
    /// Absent restores the default.
    | RereadOrDefault
    | OnlySwitchedOn
    | ListRebuilt
    /// Read whenever it is needed.
    | LookedUp
    | StartOnly

/// One configuration variable: all that parser, checks, `tinc set`, invitations and manual need to know.
type Variable =
    {
        Name: string
        /// Belongs in tinc.conf.
        Server: bool
        /// Belongs in host files.
        Host: bool
        Multiple: bool
        /// May be taken over from an invitation.
        Safe: bool
        Obsolete: bool
        /// In the table that `tinc set` goes by. The others are only read by the daemon.
        Listed: bool
        Kind: Kind
        /// As it would be written in a file; empty for none.
        Default: string
        /// Whole numbers outside these bounds are refused.
        Minimum: int
        Maximum: int
        /// The reference's words for a value that ends the start; `{}` stands for the value. Empty: nothing does.
        Refusal: string
        Reload: Reload
        /// Another variable and the value that it must have, or this one has no effect.
        Needs: struct (string * string) voption
        /// What it is for, in a sentence or two.
        Meaning: string
    }

/// The table of all configuration variables (spec 05 §5, spec 06 §4), in the order of spec 06.
module Variables =

    /// `flags` as in spec 06 §4: S server, H host, M multiple, J safe, O obsolete.
    let private row name (flags: string) kind defaultValue reload =
        { Name = name
          Server = flags.Contains 'S'
          Host = flags.Contains 'H'
          Multiple = flags.Contains 'M'
          Safe = flags.Contains 'J'
          Obsolete = flags.Contains 'O'
          Listed = true
          Kind = kind
          Default = defaultValue
          Minimum = Int32.MinValue
          Maximum = Int32.MaxValue
          Refusal = ""
          Reload = reload
          Needs = ValueNone
          Meaning = "" }

    let private between minimum maximum refusal variable =
        { variable with Minimum = minimum; Maximum = maximum; Refusal = refusal }

    let private atLeast minimum refusal variable = between minimum Int32.MaxValue refusal variable

    let private refused refusal variable = { variable with Refusal = refusal }

    let private needs other value variable = { variable with Needs = ValueSome(struct (other, value)) }

    let private unlisted variable = { variable with Listed = false }

    let private means text variable = { variable with Meaning = text }

    let all: Variable list =
        [ row "AddressFamily" "SJ" (Kind.OneOf [ "ipv4"; "ipv6"; "any" ]) "any" Reload.Reread
          |> refused "Invalid address family!"
          |> means "Internet protocol of listening sockets and of name look-ups."
          row "AutoConnect" "SJ" Kind.YesNo "yes" Reload.RereadOrDefault
          |> means "Keep about three meta connections to nodes with an Address, without ConnectTo."
          row "BindToAddress" "SM" Kind.HostAndPort "" Reload.StartOnly
          |> means (
              "Listen here for TCP and UDP, and call others from here; * is every address. Up to eight, those "
              + "of ListenAddress included."
          )
          row "BindToInterface" "S" Kind.Words "" Reload.LookedUp
          |> means "Send and receive through this network interface only."
          row "Broadcast" "SJ" (Kind.OneOf [ "no"; "yes"; "mst"; "direct" ]) "mst" Reload.Reread
          |> refused "Invalid broadcast mode!"
          |> means (
              "How broadcast frames are spread: mst (or yes) along the spanning tree, direct from the sender to "
              + "every node it reaches directly, no not at all."
          )
          row "BroadcastSubnet" "SMJ" Kind.SubnetText "" Reload.ListRebuilt
          |> means "One more destination that counts as broadcast."
          row "ConnectTo" "SMJ" Kind.NodeNames "" Reload.ListRebuilt
          |> means "Keep a meta connection to this node, whose host file needs an Address."
          row "DecrementTTL" "SJ" Kind.YesNo "no" Reload.Reread
          |> means "Count this node as a hop: decrement the TTL or hop limit of packets that it forwards."
          row "Device" "S" Kind.Words "" Reload.StartOnly
          |> means "Device file, or what the device type takes in its place."
          row "DeviceStandby" "S" Kind.YesNo "no" Reload.StartOnly
          |> means "Run tinc-up only when the first node is reached, tinc-down when the last one is lost."
          row
              "DeviceType"
              "S"
              (Kind.OneOf
                  [ "tun"
                    "tap"
                    "dummy"
                    "raw_socket"
                    "multicast"
                    "fd"
                    "uml"
                    "vde"
                    "tunnohead"
                    "tunifhead"
                    "utun"
                    "tunemu" ])
              ""
              Reload.StartOnly
          |> refused "Unknown device type {}!"
          |> means "Kind of virtual network device; tun in router mode and tap in the others if not set."
          row "DirectOnly" "SJ" Kind.YesNo "no" Reload.Reread
          |> means "Drop packets that another node would have to relay."
          row "Ed25519PrivateKeyFile" "S" Kind.Path "" Reload.StartOnly
          |> means "Our own Ed25519 private key; ed25519_key.priv beside tinc.conf if not set."
          row "ExperimentalProtocol" "S" Kind.YesNo "" Reload.StartOnly
          |> means (
              "yes: SPTPS, which needs an Ed25519 key. no: the legacy protocol only. Not set: SPTPS if there is "
              + "a key."
          )
          row "Forwarding" "S" (Kind.OneOf [ "off"; "internal"; "kernel" ]) "internal" Reload.Reread
          |> refused "Invalid forwarding mode!"
          |> means (
              "Packets from one node to another: internal forwards them at once, kernel hands them to the "
              + "operating system, off drops them."
          )
          row "FWMark" "S" (Kind.Whole "") "0" Reload.StartOnly
          |> means "Firewall mark of the daemon's own TCP and UDP packets; 0 is none. Linux only."
          row "GraphDumpFile" "SO" Kind.Path "" Reload.LookedUp
          |> means "Write the graph to this file in dot format, or to the command behind |, at most once a minute."
          row "Hostnames" "S" Kind.YesNo "no" Reload.Reread
          |> means "Show names instead of addresses in the log and in dumps."
          row "IffOneQueue" "S" Kind.YesNo "no" Reload.StartOnly
          |> means "Set IFF_ONE_QUEUE on the device. Linux only."
          row "Interface" "S" Kind.Words "" Reload.StartOnly
          |> means "Name of the virtual network interface; that of the network if not set."
          row "InvitationExpire" "S" (Kind.Whole "seconds") "604800" Reload.RereadOrDefault
          |> means "After so long an invitation is void."
          row "KeyExpire" "SJ" (Kind.Whole "seconds") "3600" Reload.RereadOrDefault
          |> means "Keys of data sessions are renewed after so long."
          row "ListenAddress" "SM" Kind.HostAndPort "" Reload.StartOnly
          |> means "Listen here for TCP and UDP, like BindToAddress, but do not call others from here."
          row "LocalDiscovery" "SJ" Kind.YesNo "yes" Reload.Reread
          |> means "Look for nodes on the local network, too, at the addresses that they have there."
          row "LogLevel" "S" (Kind.Whole "") "0" Reload.StartOnly
          |> means "How much is logged if -d does not say it: 0 to 10."
          row "MACExpire" "SJ" (Kind.Whole "seconds") "600" Reload.RereadOrDefault
          |> means "Switch mode: a MAC address that was not seen for so long is forgotten."
          row "MaxConnectionBurst" "SJ" (Kind.Whole "connections") "10" Reload.StartOnly
          |> atLeast 1 "MaxConnectionBurst cannot be negative!"
          |> means (
              "So many connections are accepted at once; then one a second, and the others are kept waiting "
              + "without an answer."
          )
          row "MaxOutputBufferSize" "SJ" (Kind.Whole "bytes") "15180" Reload.StartOnly
          |> means "If more than this waits for a peer, packets that would take its TCP connection are dropped."
          row "MaxTimeout" "SJ" (Kind.Whole "seconds") "900" Reload.RereadOrDefault
          |> atLeast 1 "Bogus maximum timeout!"
          |> means "Longest pause between two attempts to connect."
          row "Mode" "SJ" (Kind.OneOf [ "router"; "switch"; "hub" ]) "router" Reload.Reread
          |> refused "Invalid routing mode!"
          |> means (
              "router goes by Subnets and carries IP packets, switch learns MAC addresses, hub sends every "
              + "frame to all."
          )
          row "Name" "S" Kind.NodeNameOrEnvironment "" Reload.StartOnly
          |> refused "Name for tinc daemon required!"
          |> means "Name of this node. $HOST is the host name, $ and any other word an environment variable."
          row "PingInterval" "SJ" (Kind.Whole "seconds") "60" Reload.StartOnly
          |> means "A peer that has been silent for so long is asked whether it is there. Less than 1 is a day."
          row "PingTimeout" "SJ" (Kind.Whole "seconds") "5" Reload.StartOnly
          |> means (
              "A peer that does not answer within this time, and one that does not log in, is given up. At most "
              + "PingInterval."
          )
          row "PriorityInheritance" "S" Kind.YesNo "no" Reload.Reread
          |> means "Copy TOS or traffic class of packets to the datagrams that carry them."
          row "PrivateKey" "SO" Kind.Hexadecimal "" Reload.StartOnly
          |> means "Our own RSA private key as a number. Better use PrivateKeyFile."
          row "PrivateKeyFile" "S" Kind.Path "" Reload.StartOnly
          |> means "Our own RSA private key; rsa_key.priv beside tinc.conf if not set."
          row "ProcessPriority" "S" (Kind.OneOf [ "low"; "normal"; "high" ]) "" Reload.StartOnly
          |> refused "Invalid priority `{}`!"
          |> means "Scheduling priority of the daemon; left as it is if not set."
          row "Proxy" "S" (Kind.OneOf [ "none"; "socks4"; "socks4a"; "socks5"; "http"; "exec" ]) "none" Reload.Reread
          |> refused "Unknown proxy type {}!"
          |> means (
              "Call others through a proxy: the type, then host, port and, if need be, user and password; "
              + "behind exec a command."
          )
          row "ReplayWindow" "SJ" (Kind.Whole "bytes") "" Reload.StartOnly
          |> atLeast 0 "ReplayWindow cannot be negative!"
          |> means (
              "So many bytes remember which datagrams have come, eight in each, so that none counts twice; 0 "
              + "switches that off."
          )
          row "Sandbox" "S" (Kind.OneOf [ "off"; "normal"; "high" ]) "off" Reload.StartOnly
          |> refused "Bad sandbox value {}!"
          |> means "What the daemon may not do any more once it runs; high allows it no scripts."
          row "ScriptsExtension" "S" Kind.Words "" Reload.RereadOrDefault
          |> means "Put behind the names of scripts."
          row "ScriptsInterpreter" "S" Kind.Command "" Reload.RereadOrDefault
          |> means "Command that runs the scripts; it gets the script's path as an argument."
          row "StrictSubnets" "SJ" Kind.YesNo "no" Reload.StartOnly
          |> means "Believe Subnets from our own host files only."
          row "TunnelServer" "SJ" Kind.YesNo "no" Reload.StartOnly
          |> means (
              "Tell nobody about others and believe only nodes that have a host file here; StrictSubnets with "
              + "it."
          )
          row "UDPDiscovery" "SJ" Kind.YesNo "yes" Reload.Reread
          |> means "Try whether datagrams get through before using UDP."
          row "UDPDiscoveryKeepaliveInterval" "SJ" (Kind.Whole "seconds") "10" Reload.Reread
          |> means "Pause between probes while UDP works."
          row "UDPDiscoveryInterval" "SJ" (Kind.Whole "seconds") "2" Reload.Reread
          |> means "Pause between probes while UDP is not known to work."
          row "UDPDiscoveryTimeout" "SJ" (Kind.Whole "seconds") "30" Reload.Reread
          |> means "After so long without an answer UDP counts as broken."
          row "MTUInfoInterval" "SJ" (Kind.Whole "seconds") "5" Reload.Reread
          |> means "Shortest pause between two MTU_INFO messages about one node."
          row "UDPInfoInterval" "SJ" (Kind.Whole "seconds") "5" Reload.Reread
          |> means "Shortest pause between two UDP_INFO messages about one node."
          row "UDPRcvBuf" "S" (Kind.Whole "bytes") "1048576" Reload.StartOnly
          |> atLeast 0 "UDPRcvBuf cannot be negative!"
          |> means "Receive buffer of UDP sockets; 0 leaves it to the operating system."
          row "UDPSndBuf" "S" (Kind.Whole "bytes") "1048576" Reload.StartOnly
          |> atLeast 0 "UDPSndBuf cannot be negative!"
          |> means "Send buffer of UDP sockets; 0 leaves it to the operating system."
          row "UPnP" "S" (Kind.OneOf [ "yes"; "udponly"; "no" ]) "no" Reload.StartOnly
          |> means "Ask routers on the local network to pass our port on; udponly for UDP alone."
          row "UPnPDiscoverWait" "S" (Kind.Whole "seconds") "5" Reload.StartOnly
          |> means "Wait so long for routers to answer."
          row "UPnPRefreshPeriod" "S" (Kind.Whole "seconds") "60" Reload.StartOnly
          |> means "Renew the mapping that often; it lasts twice as long."
          row "VDEGroup" "S" Kind.Words "" Reload.StartOnly
          |> needs "DeviceType" "vde"
          |> means "Group for the connection to a VDE switch."
          row "VDEPort" "S" (Kind.Whole "") "0" Reload.StartOnly
          |> needs "DeviceType" "vde"
          |> means "Port of the VDE switch."
          row "Address" "HM" Kind.HostAndPort "" Reload.LookedUp
          |> means "Where this node is called. Without a port, the Port of the same host file."
          row
              "Cipher"
              "SH"
              (Kind.OneOf("none" :: List.map (fun (cipher: Cipher) -> cipher.Name) Cipher.all))
              "aes-256-cbc"
              Reload.StartOnly
          |> refused "Unrecognized cipher type!"
          |> means "Legacy protocol: cipher of packets that are sent to us."
          row "ClampMSS" "SHJ" Kind.YesNo "yes" Reload.OnlySwitchedOn
          |> means (
              "Lower the segment size that TCP connections ask for, so that their packets fit through the "
              + "tunnel."
          )
          row "Compression" "SHJ" (Kind.Whole "") "0" Reload.StartOnly
          |> between 0 12 "Bogus compression level!"
          |> means "Compression of packets that are sent to us: 1 to 9 zlib, 10 and 11 LZO, 12 LZ4, 0 none."
          row
              "Digest"
              "SH"
              (Kind.OneOf("none" :: List.map (fun (digest: Digest) -> digest.Name) Digest.all))
              "sha256"
              Reload.StartOnly
          |> refused "Unrecognized digest type!"
          |> means "Legacy protocol: digest that authenticates packets that are sent to us."
          row "Ed25519PublicKey" "H" Kind.Base64 "" Reload.LookedUp
          |> means "Ed25519 public key of this node."
          row "Ed25519PublicKeyFile" "SH" Kind.Path "" Reload.LookedUp
          |> means "File with the Ed25519 public key of this node; its host file if not set."
          row "IndirectData" "SHJ" Kind.YesNo "no" Reload.OnlySwitchedOn
          |> means "Only neighbours may send datagrams to this node; everybody else sends through them."
          row "MACLength" "SH" (Kind.Whole "bytes") "4" Reload.StartOnly
          |> atLeast 0 "Bogus MAC length!"
          |> means "Legacy protocol: so many bytes of the digest go with each packet; at most all of it."
          row "PMTU" "SH" (Kind.Whole "bytes") "1518" Reload.LookedUp
          |> means "Largest packet that is tried on the path to this node."
          row "PMTUDiscovery" "SH" Kind.YesNo "" Reload.OnlySwitchedOn
          |> means "Find out how large packets may be; yes unless TCPOnly is set."
          row "Port" "H" Kind.PortText "655" Reload.StartOnly
          |> means "TCP and UDP port of this node; 0 lets the operating system choose one."
          row "PublicKey" "HO" Kind.Hexadecimal "" Reload.LookedUp
          |> means "RSA public key of this node as a number."
          row "PublicKeyFile" "SHO" Kind.Path "" Reload.LookedUp
          |> means "File with the RSA public key of this node; its host file if not set."
          row "Subnet" "HMJ" Kind.SubnetText "" Reload.ListRebuilt
          |> means "Network that this node serves; behind # a weight, of which the lowest wins (10 if not set)."
          row "TCPOnly" "SHJ" Kind.YesNo "no" Reload.OnlySwitchedOn
          |> means "Send everything over the TCP connections; IndirectData with it."
          row "Weight" "HJ" (Kind.Whole "milliseconds") "" Reload.LookedUp
          |> means "Weight of the edge to this node; the time that the login took if not set."
          row "LegacyProtocol" "S" Kind.YesNo "yes" Reload.StartOnly
          |> unlisted
          |> means "Speak with nodes that have no SPTPS. TincPure only."
          row "DisableBuggyPeers" "S" Kind.YesNo "no" Reload.Reread
          |> unlisted
          |> means "Send what makes some old versions of tinc close the connection."
          row "MinTimeout" "S" (Kind.Whole "seconds") "0" Reload.StartOnly
          |> unlisted
          |> means "Shortest pause between two attempts to connect." ]

    let private byName =
        let table = Dictionary<string, Variable> StringComparer.OrdinalIgnoreCase

        for variable in all do
            table.Add(variable.Name, variable)

        table

    /// The variable of that name, whatever the case.
    let tryFind (name: string) : Variable voption =
        match byName.TryGetValue name with
        | true, variable -> ValueSome variable
        | _ -> ValueNone

    /// What the table allows, for people.
    let allowed (variable: Variable) : string =
        match variable.Kind with
        | Kind.YesNo -> "yes or no"
        | Kind.Whole unit ->
            let bounds =
                match variable.Minimum, variable.Maximum with
                | Int32.MinValue, Int32.MaxValue -> "a whole number"
                | minimum, Int32.MaxValue -> "a whole number from " + minimum.ToString()
                | minimum, maximum -> "a whole number from " + minimum.ToString() + " to " + maximum.ToString()

            if unit = "" then bounds else bounds + " of " + unit
        | Kind.OneOf choices -> String.Join(", ", choices)
        | Kind.NodeNameOrEnvironment -> "a node name (letters, digits, _), or $ and the name of an environment variable"
        | Kind.NodeNames -> "a node name (letters, digits, _)"
        | Kind.SubnetText ->
            "a network such as 10.1.0.0/16, fd00::/8 or a MAC address, with no bits set after the prefix"
        | Kind.HostAndPort -> "a host name or address, optionally a blank and a port"
        | Kind.PortText -> "a port number from 0 to 65535 or a service name"
        | Kind.Words -> "a text"
        | Kind.Path -> "a file name"
        | Kind.Command -> "a command"
        | Kind.Base64 -> "43 characters of base64"
        | Kind.Hexadecimal -> "a hexadecimal number"
