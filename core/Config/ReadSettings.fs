/// From the merged table of tinc.conf, conf.d, the own host file and `-o` options to settings, in the order in which the
/// reference reads them, so that what it logs comes in the same order (spec 05 §6.1).
module internal TincPure.Config.ReadSettings

open TincPure.Primitives
open TincPure.Crypto.Legacy
open TincPure.Topology

let private flag (name: string) (fallback: bool) (reader: Reader) = ValueOption.defaultValue fallback (reader.Flag name)

let private number (name: string) (fallback: int) (reader: Reader) =
    ValueOption.defaultValue fallback (reader.Number name)

let private choice (name: string) (meanings: (string * 'a) list) (fallback: 'a) (reader: Reader) =
    ValueOption.defaultValue fallback (reader.Choice(name, meanings))

let private modes = [ "router", Router; "switch", Switch; "hub", Hub ]

let private forwardings = [ "off", Off; "internal", Internal; "kernel", Kernel ]

let private broadcasts =
    [ "no", NoBroadcast; "yes", SpanningTree; "mst", SpanningTree; "direct", Direct ]

let private families = [ "ipv4", OnlyIpv4; "ipv6", OnlyIpv6; "any", AnyFamily ]

let private priorities = [ "low", LowPriority; "normal", NormalPriority; "high", HighPriority ]

let private proxies = [ "socks4", Socks4; "socks4a", Socks4a; "socks5", Socks5; "http", Http ]

let private deviceTypes =
    [ "tun", Tun
      "tap", Tap
      "dummy", Dummy
      "raw_socket", RawSocket
      "multicast", MulticastSocket
      "fd", FileDescriptor
      "uml", UserModeLinux
      "vde", VirtualDistributedEthernet
      "tunnohead", TunNoHead
      "tunifhead", TunIfHead
      "utun", UserTun
      "tunemu", TunEmu ]

/// Variable Proxy: a type and its arguments, separated by single blanks.
let private proxy (running: Settings) (reader: Reader) : Proxy =
    let refuse entry message =
        reader.RefuseWith("Proxy", ValueSome entry, message)
        running.Proxy

    match reader.Entry "Proxy" with
    | ValueNone -> running.Proxy
    | ValueSome entry ->
        let words = (ByteText.decode entry.Value).Split ' ' |> List.ofArray
        let word = List.head words

        match List.tryFind (fun (name, _) -> ByteText.same name word) proxies, List.tail words with
        | None, _ when ByteText.same word "exec" && running.Sandbox = HighSandbox ->
            refuse entry "Cannot use exec proxies with current sandbox level."
        | None, _ when ByteText.same word "none" -> NoProxy
        | None, (_ :: _ as command) when ByteText.same word "exec" -> ExecProxy(System.String.Join(' ', command))
        | None, [] when ByteText.same word "exec" -> refuse entry "Argument expected for proxy type exec!"
        | None, _ -> refuse entry ("Unknown proxy type " + word + "!")
        | Some(_, kind), host :: port :: rest ->
            let server: HostPort = { Host = host; Port = port }

            match rest with
            | [] -> ServerProxy(kind, server, ValueNone, ValueNone)
            | [ user ] -> ServerProxy(kind, server, ValueSome user, ValueNone)
            | user :: password :: _ -> ServerProxy(kind, server, ValueSome user, ValueSome password)
        | Some _, _ -> refuse entry "Host and port argument expected for proxy!"

/// What both a start and a reload read. `running` is what holds so far; at a reload some variables keep that when they
/// are absent, and option bits can only be switched on (spec 05 §7.1 step 3).
let reloadable (running: Settings) (reader: Reader) : Settings =
    let scriptsInterpreter = reader.SystemText "ScriptsInterpreter"
    let scriptsExtension = reader.SystemText "ScriptsExtension"
    let proxy = proxy running reader
    let indirectData = reader.FlagOrDefault "IndirectData" || running.IndirectData
    let tcpOnly = reader.FlagOrDefault "TCPOnly" || running.TcpOnly
    let udpDiscovery = flag "UDPDiscovery" running.UdpDiscovery reader

    let keepaliveInterval =
        number "UDPDiscoveryKeepaliveInterval" running.UdpDiscoveryKeepaliveInterval reader

    let discoveryInterval = number "UDPDiscoveryInterval" running.UdpDiscoveryInterval reader

    let discoveryTimeout = number "UDPDiscoveryTimeout" running.UdpDiscoveryTimeout reader

    let mtuInfoInterval = number "MTUInfoInterval" running.MtuInfoInterval reader
    let udpInfoInterval = number "UDPInfoInterval" running.UdpInfoInterval reader
    let directOnly = flag "DirectOnly" running.DirectOnly reader
    let localDiscovery = flag "LocalDiscovery" running.LocalDiscovery reader
    let mode = choice "Mode" modes running.Mode reader
    let forwarding = choice "Forwarding" forwardings running.Forwarding reader

    let pmtuDiscovery =
        ValueOption.defaultValue (not tcpOnly) (reader.Flag "PMTUDiscovery") || running.PmtuDiscovery

    let clampMss = reader.FlagOrDefault "ClampMSS" || running.ClampMss

    let priorityInheritance = flag "PriorityInheritance" running.PriorityInheritance reader

    let decrementTtl = flag "DecrementTTL" running.DecrementTtl reader
    let broadcast = choice "Broadcast" broadcasts running.Broadcast reader
    let broadcastSubnets = reader.Subnets("BroadcastSubnet", false)
    let macExpire = reader.NumberOrDefault "MACExpire"
    let maxTimeout = reader.NumberOrDefault "MaxTimeout"
    let addressFamily = choice "AddressFamily" families running.AddressFamily reader
    let hostnames = flag "Hostnames" running.Hostnames reader
    let keyExpire = reader.NumberOrDefault "KeyExpire"
    let autoConnect = reader.FlagOrDefault "AutoConnect"
    let disableBuggyPeers = flag "DisableBuggyPeers" running.DisableBuggyPeers reader
    let invitationExpire = reader.NumberOrDefault "InvitationExpire"

    { running with
        ScriptsInterpreter = scriptsInterpreter
        ScriptsExtension = ValueOption.defaultValue "" scriptsExtension
        Proxy = proxy
        IndirectData = indirectData || tcpOnly
        TcpOnly = tcpOnly
        UdpDiscovery = udpDiscovery
        UdpDiscoveryKeepaliveInterval = keepaliveInterval
        UdpDiscoveryInterval = discoveryInterval
        UdpDiscoveryTimeout = discoveryTimeout
        MtuInfoInterval = mtuInfoInterval
        UdpInfoInterval = udpInfoInterval
        DirectOnly = directOnly
        LocalDiscovery = localDiscovery
        Mode = mode
        Forwarding = forwarding
        PmtuDiscovery = pmtuDiscovery
        ClampMss = clampMss
        PriorityInheritance = priorityInheritance
        DecrementTtl = decrementTtl
        Broadcast = broadcast
        BroadcastSubnets = Settings.builtinBroadcastSubnets @ broadcastSubnets
        MacExpire = macExpire
        MaxTimeout = maxTimeout
        AddressFamily = addressFamily
        Hostnames = hostnames
        KeyExpire = keyExpire
        AutoConnect = autoConnect
        DisableBuggyPeers = disableBuggyPeers
        GraphDumpFile = reader.SystemText "GraphDumpFile"
        InvitationExpire = invitationExpire }

/// Times of the meta connections; the first to be read.
let timing (settings: Settings) (reader: Reader) : Settings =
    let interval =
        match reader.NumberOrDefault "PingInterval" with
        | seconds when seconds < 1 -> 86400
        | seconds -> seconds

    let timeout =
        match reader.NumberOrDefault "PingTimeout" with
        | seconds when seconds < 1 || seconds > interval -> interval
        | seconds -> seconds

    { settings with
        PingInterval = interval
        PingTimeout = timeout
        MaxOutputBufferSize = reader.NumberOrDefault "MaxOutputBufferSize" }

/// Compression level: outside 0 to 12 the reference says two things.
let private compression (reader: Reader) : int =
    let before = List.length reader.Problems
    let level = reader.NumberOrDefault "Compression"

    match List.length reader.Problems > before, ValueOption.bind Value.whole (reader.Text "Compression") with
    | true, ValueSome refused ->
        reader.Say(Priority.Error, "Compression level " + refused.ToString() + " is unrecognized by this node.")
    | _ -> ()

    level

/// A cipher or digest by its name; `none` is none of them, and an unknown name ends the start.
let private algorithm (variable: string) (what: string) (priority: Priority) (ofName: string -> 'a voption) reader =
    let reader: Reader = reader

    match reader.Entry variable with
    | ValueNone -> ValueNone
    | ValueSome entry when ByteText.same entry.Value "none" -> ValueSome ValueNone
    | ValueSome entry ->
        match ofName entry.Value with
        | ValueSome algorithm -> ValueSome(ValueSome algorithm)
        | ValueNone ->
            reader.Say(priority, "Unknown " + what + " name '" + ByteText.decode entry.Value + "'!")
            reader.Refuse(variable, entry)
            ValueNone

/// A MAC cannot be longer than its digest.
let private packetAlgorithms (reader: Reader) : PacketAlgorithms =
    let cipher = algorithm "Cipher" "cipher" Priority.Error Cipher.ofName reader
    let digest = algorithm "Digest" "digest" Priority.Debug Digest.ofName reader
    let macLength = reader.NumberOrDefault "MACLength"
    let digest = ValueOption.defaultValue PacketAlgorithms.defaults.Digest digest

    { Cipher = ValueOption.defaultValue PacketAlgorithms.defaults.Cipher cipher
      Digest = digest
      MacLength =
        match digest with
        | ValueSome digest -> min macLength digest.Size
        | ValueNone -> 0 }

/// Whatever is neither is no.
let private upnp (reader: Reader) : Upnp =
    match reader.Text "UPnP" with
    | ValueSome text when ByteText.same text "yes" -> TcpAndUdp
    | ValueSome text when ByteText.same text "udponly" -> UdpOnly
    | _ -> NoUpnp

/// MinTimeout is a variable of 1.0, which the reference's 1.1 does not read: it never ends the start.
let private minTimeout (maxTimeout: Seconds) (reader: Reader) : Seconds =
    match reader.NumberOrDefault "MinTimeout" with
    | negative when negative < 0 ->
        reader.Say(Priority.Warning, "Bogus minimum timeout! Using 0 s instead")
        0
    | seconds when seconds > maxTimeout ->
        reader.Say(
            Priority.Warning,
            "Minimum timeout ("
            + seconds.ToString()
            + " s) cannot be larger than maximum timeout ("
            + maxTimeout.ToString()
            + " s). Correcting !"
        )

        maxTimeout
    | seconds -> seconds

/// What only a start reads, after the reloadable part.
let startOnly (settings: Settings) (reader: Reader) : Settings =
    let strictSubnets = reader.FlagOrDefault "StrictSubnets"
    let tunnelServer = reader.FlagOrDefault "TunnelServer"
    let maxConnectionBurst = reader.NumberOrDefault "MaxConnectionBurst"
    let receiveBuffer = reader.Number "UDPRcvBuf"
    let sendBuffer = reader.Number "UDPSndBuf"
    let fwMark = reader.NumberOrDefault "FWMark"
    let minTimeout = minTimeout settings.MaxTimeout reader
    let replayWindow = reader.Number "ReplayWindow"
    let packetAlgorithms = packetAlgorithms reader
    let compression = compression reader

    { settings with
        StrictSubnets = strictSubnets || tunnelServer
        TunnelServer = tunnelServer
        MaxConnectionBurst = maxConnectionBurst
        Upnp = upnp reader
        UpnpDiscoverWait = max 1 (reader.NumberOrDefault "UPnPDiscoverWait")
        UpnpRefreshPeriod = max 1 (reader.NumberOrDefault "UPnPRefreshPeriod")
        MinTimeout = minTimeout
        UdpReceiveBuffer = ValueOption.defaultValue settings.UdpReceiveBuffer receiveBuffer
        UdpReceiveBufferGiven = receiveBuffer.IsSome
        UdpSendBuffer = ValueOption.defaultValue settings.UdpSendBuffer sendBuffer
        UdpSendBufferGiven = sendBuffer.IsSome
        FWMark = fwMark
        ReplayWindow = replayWindow
        PacketAlgorithms = packetAlgorithms
        Compression = compression }

/// Device, sockets and process.
let machine (settings: Settings) (reader: Reader) : Settings =
    let listen name =
        reader.Entries name
        |> List.map (fun entry ->
            let struct (host, port) = Value.hostAndPort entry.Value
            let address: ListenAddress = { Host = host; Port = port }
            address)

    { settings with
        DeviceType = choice "DeviceType" deviceTypes (if settings.Mode = Router then Tun else Tap) reader
        Device = reader.SystemText "Device"
        Interface = reader.SystemText "Interface"
        IffOneQueue = reader.FlagOrDefault "IffOneQueue"
        VdeGroup = reader.SystemText "VDEGroup"
        VdePort = reader.NumberOrDefault "VDEPort"
        BindToAddress = listen "BindToAddress"
        ListenAddress = listen "ListenAddress"
        BindToInterface = reader.SystemText "BindToInterface"
        DeviceStandby = reader.FlagOrDefault "DeviceStandby"
        ProcessPriority = reader.Choice("ProcessPriority", priorities) }

/// Names of ConnectTo, each once, without ourselves.
let connectTo (own: NodeName) (reader: Reader) : NodeName list =
    reader.Entries "ConnectTo"
    |> List.choose (fun entry ->
        match NodeName.tryParse entry.Value with
        | ValueSome name when name = own -> None
        | ValueSome name -> Some name
        | ValueNone ->
            reader.Say(Priority.Error, "Invalid name for outgoing connection " + Place.toText entry.Place)
            None)
    |> List.distinct

/// Bounds and weight that hold for every connection.
let connections (settings: Settings) (reader: Reader) : Settings =
    { settings with Pmtu = reader.Number "PMTU"; Weight = reader.Number "Weight" }

/// Says of variables that they have no effect without another.
let warnOfIdle (reader: Reader) : unit =
    for variable in Variables.all do
        match struct (variable.Needs, reader.Entry variable.Name) with
        | struct (ValueSome(struct (other, value)), ValueSome entry) when
            not (reader.Entry other |> ValueOption.exists (fun entry -> ByteText.same entry.Value value))
            ->
            reader.Say(
                Priority.Warning,
                variable.Name + " " + Place.toText entry.Place + " has no effect without " + other + " = " + value
            )
        | _ -> ()
