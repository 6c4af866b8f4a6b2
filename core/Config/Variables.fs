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
          Needs = ValueNone }

    let private between minimum maximum refusal variable =
        { variable with Minimum = minimum; Maximum = maximum; Refusal = refusal }

    let private atLeast minimum refusal variable = between minimum Int32.MaxValue refusal variable

    let private refused refusal variable = { variable with Refusal = refusal }

    let private needs other value variable = { variable with Needs = ValueSome(struct (other, value)) }

    let private unlisted variable = { variable with Listed = false }

    let all: Variable list =
        [ row "AddressFamily" "SJ" (Kind.OneOf [ "ipv4"; "ipv6"; "any" ]) "any" Reload.Reread
          |> refused "Invalid address family!"
          row "AutoConnect" "SJ" Kind.YesNo "yes" Reload.RereadOrDefault
          row "BindToAddress" "SM" Kind.HostAndPort "" Reload.StartOnly
          row "BindToInterface" "S" Kind.Words "" Reload.LookedUp
          row "Broadcast" "SJ" (Kind.OneOf [ "no"; "yes"; "mst"; "direct" ]) "mst" Reload.Reread
          |> refused "Invalid broadcast mode!"
          row "BroadcastSubnet" "SMJ" Kind.SubnetText "" Reload.ListRebuilt
          row "ConnectTo" "SMJ" Kind.NodeNames "" Reload.ListRebuilt
          row "DecrementTTL" "SJ" Kind.YesNo "no" Reload.Reread
          row "Device" "S" Kind.Words "" Reload.StartOnly
          row "DeviceStandby" "S" Kind.YesNo "no" Reload.StartOnly
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
          row "DirectOnly" "SJ" Kind.YesNo "no" Reload.Reread
          row "Ed25519PrivateKeyFile" "S" Kind.Path "" Reload.StartOnly
          row "ExperimentalProtocol" "S" Kind.YesNo "" Reload.StartOnly
          row "Forwarding" "S" (Kind.OneOf [ "off"; "internal"; "kernel" ]) "internal" Reload.Reread
          |> refused "Invalid forwarding mode!"
          row "FWMark" "S" (Kind.Whole "") "0" Reload.StartOnly
          row "GraphDumpFile" "SO" Kind.Path "" Reload.LookedUp
          row "Hostnames" "S" Kind.YesNo "no" Reload.Reread
          row "IffOneQueue" "S" Kind.YesNo "no" Reload.StartOnly
          row "Interface" "S" Kind.Words "" Reload.StartOnly
          row "InvitationExpire" "S" (Kind.Whole "seconds") "604800" Reload.RereadOrDefault
          row "KeyExpire" "SJ" (Kind.Whole "seconds") "3600" Reload.RereadOrDefault
          row "ListenAddress" "SM" Kind.HostAndPort "" Reload.StartOnly
          row "LocalDiscovery" "SJ" Kind.YesNo "yes" Reload.Reread
          row "LogLevel" "S" (Kind.Whole "") "0" Reload.StartOnly
          row "MACExpire" "SJ" (Kind.Whole "seconds") "600" Reload.RereadOrDefault
          row "MaxConnectionBurst" "SJ" (Kind.Whole "connections") "10" Reload.StartOnly
          |> atLeast 1 "MaxConnectionBurst cannot be negative!"
          row "MaxOutputBufferSize" "SJ" (Kind.Whole "bytes") "15180" Reload.StartOnly
          row "MaxTimeout" "SJ" (Kind.Whole "seconds") "900" Reload.RereadOrDefault
          |> atLeast 1 "Bogus maximum timeout!"
          row "Mode" "SJ" (Kind.OneOf [ "router"; "switch"; "hub" ]) "router" Reload.Reread
          |> refused "Invalid routing mode!"
          row "Name" "S" Kind.NodeNameOrEnvironment "" Reload.StartOnly
          |> refused "Name for tinc daemon required!"
          row "PingInterval" "SJ" (Kind.Whole "seconds") "60" Reload.StartOnly
          row "PingTimeout" "SJ" (Kind.Whole "seconds") "5" Reload.StartOnly
          row "PriorityInheritance" "S" Kind.YesNo "no" Reload.Reread
          row "PrivateKey" "SO" Kind.Hexadecimal "" Reload.StartOnly
          row "PrivateKeyFile" "S" Kind.Path "" Reload.StartOnly
          row "ProcessPriority" "S" (Kind.OneOf [ "low"; "normal"; "high" ]) "" Reload.StartOnly
          |> refused "Invalid priority `{}`!"
          row "Proxy" "S" (Kind.OneOf [ "none"; "socks4"; "socks4a"; "socks5"; "http"; "exec" ]) "none" Reload.Reread
          |> refused "Unknown proxy type {}!"
          row "ReplayWindow" "SJ" (Kind.Whole "bytes") "" Reload.StartOnly
          |> atLeast 0 "ReplayWindow cannot be negative!"
          row "Sandbox" "S" (Kind.OneOf [ "off"; "normal"; "high" ]) "off" Reload.StartOnly
          |> refused "Bad sandbox value {}!"
          row "ScriptsExtension" "S" Kind.Words "" Reload.RereadOrDefault
          row "ScriptsInterpreter" "S" Kind.Command "" Reload.RereadOrDefault
          row "StrictSubnets" "SJ" Kind.YesNo "no" Reload.StartOnly
          row "TunnelServer" "SJ" Kind.YesNo "no" Reload.StartOnly
          row "UDPDiscovery" "SJ" Kind.YesNo "yes" Reload.Reread
          row "UDPDiscoveryKeepaliveInterval" "SJ" (Kind.Whole "seconds") "10" Reload.Reread
          row "UDPDiscoveryInterval" "SJ" (Kind.Whole "seconds") "2" Reload.Reread
          row "UDPDiscoveryTimeout" "SJ" (Kind.Whole "seconds") "30" Reload.Reread
          row "MTUInfoInterval" "SJ" (Kind.Whole "seconds") "5" Reload.Reread
          row "UDPInfoInterval" "SJ" (Kind.Whole "seconds") "5" Reload.Reread
          row "UDPRcvBuf" "S" (Kind.Whole "bytes") "1048576" Reload.StartOnly
          |> atLeast 0 "UDPRcvBuf cannot be negative!"
          row "UDPSndBuf" "S" (Kind.Whole "bytes") "1048576" Reload.StartOnly
          |> atLeast 0 "UDPSndBuf cannot be negative!"
          row "UPnP" "S" (Kind.OneOf [ "yes"; "udponly"; "no" ]) "no" Reload.StartOnly
          row "UPnPDiscoverWait" "S" (Kind.Whole "seconds") "5" Reload.StartOnly
          row "UPnPRefreshPeriod" "S" (Kind.Whole "seconds") "60" Reload.StartOnly
          row "VDEGroup" "S" Kind.Words "" Reload.StartOnly |> needs "DeviceType" "vde"
          row "VDEPort" "S" (Kind.Whole "") "0" Reload.StartOnly |> needs "DeviceType" "vde"
          row "Address" "HM" Kind.HostAndPort "" Reload.LookedUp
          row
              "Cipher"
              "SH"
              (Kind.OneOf("none" :: List.map (fun (cipher: Cipher) -> cipher.Name) Cipher.all))
              "aes-256-cbc"
              Reload.StartOnly
          |> refused "Unrecognized cipher type!"
          row "ClampMSS" "SHJ" Kind.YesNo "yes" Reload.OnlySwitchedOn
          row "Compression" "SHJ" (Kind.Whole "") "0" Reload.StartOnly
          |> between 0 12 "Bogus compression level!"
          row
              "Digest"
              "SH"
              (Kind.OneOf("none" :: List.map (fun (digest: Digest) -> digest.Name) Digest.all))
              "sha256"
              Reload.StartOnly
          |> refused "Unrecognized digest type!"
          row "Ed25519PublicKey" "H" Kind.Base64 "" Reload.LookedUp
          row "Ed25519PublicKeyFile" "SH" Kind.Path "" Reload.LookedUp
          row "IndirectData" "SHJ" Kind.YesNo "no" Reload.OnlySwitchedOn
          row "MACLength" "SH" (Kind.Whole "bytes") "4" Reload.StartOnly |> atLeast 0 "Bogus MAC length!"
          row "PMTU" "SH" (Kind.Whole "bytes") "1518" Reload.LookedUp
          row "PMTUDiscovery" "SH" Kind.YesNo "" Reload.OnlySwitchedOn
          row "Port" "H" Kind.PortText "655" Reload.StartOnly
          row "PublicKey" "HO" Kind.Hexadecimal "" Reload.LookedUp
          row "PublicKeyFile" "SHO" Kind.Path "" Reload.LookedUp
          row "Subnet" "HMJ" Kind.SubnetText "" Reload.ListRebuilt
          row "TCPOnly" "SHJ" Kind.YesNo "no" Reload.OnlySwitchedOn
          row "Weight" "HJ" (Kind.Whole "milliseconds") "" Reload.LookedUp
          row "LegacyProtocol" "S" Kind.YesNo "yes" Reload.StartOnly |> unlisted
          row "DisableBuggyPeers" "S" Kind.YesNo "no" Reload.Reread |> unlisted
          row "MinTimeout" "S" (Kind.Whole "seconds") "0" Reload.StartOnly |> unlisted ]

    let private byName =
        Dictionary<string, Variable>(
            all |> Seq.map (fun variable -> KeyValuePair(variable.Name, variable)),
            StringComparer.OrdinalIgnoreCase
        )

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
