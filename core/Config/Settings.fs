namespace TincPure.Config

open TincPure.Primitives
open TincPure.Crypto.Legacy
open TincPure.Topology

type Seconds = int

type AddressFamily =
    | AnyFamily
    | OnlyIpv4
    | OnlyIpv6

/// What carries frames to and from the machine. The host knows which of them it has.
type DeviceType =
    | Tun
    | Tap
    | Dummy
    | RawSocket
    | MulticastSocket
    | FileDescriptor
    | UserModeLinux
    | VirtualDistributedEthernet
    | TunNoHead
    | TunIfHead
    | UserTun
    | TunEmu

type ProcessPriority =
    | LowPriority
    | NormalPriority
    | HighPriority

/// How much is taken from a running daemon that it does not need (spec 05 §2.11, spec 07 §20).
type Sandbox =
    | NoSandbox
    | NormalSandbox
    /// Without child processes: no scripts, no proxy command.
    | HighSandbox

type Upnp =
    | NoUpnp
    | UdpOnly
    | TcpAndUdp

type ProxyKind =
    | Socks4
    | Socks4a
    | Socks5
    | Http

/// How outgoing connections are made.
type Proxy =
    | NoProxy
    | ServerProxy of ProxyKind * server: HostPort * user: string voption * password: string voption
    | ExecProxy of command: string

/// An address to listen on; host `*` is the wildcard, without a port the own port.
type ListenAddress = { Host: string; Port: string voption }

/// Everything that configuration says about this daemon (spec 05 §5). The own node's part of it is in `Own`.
type Settings =
    {
        Name: NodeName
        /// Configuration directory.
        ConfBase: string
        NetName: string voption
        /// Ed25519 private key as tinc keeps it, 64 bytes.
        PrivateKey: byte[] voption
        /// Its public key, 32 bytes.
        PublicKey: byte[] voption
        /// Keys are exchanged with nodes that have no SPTPS. Connections with them need an RSA key besides.
        LegacyProtocol: bool
        RsaKey: RsaPrivateKey voption
        /// How legacy nodes are to protect what they send us.
        PacketAlgorithms: PacketAlgorithms
        /// Key of outstanding invitations.
        InvitationKey: KeyPair voption
        /// SPTPS is spoken.
        ExperimentalProtocol: bool
        Own: HostSettings
        /// The other nodes that have a host file.
        Hosts: Map<NodeName, HostSettings>
        /// Without ourselves, each once, in order.
        ConnectTo: NodeName list
        AutoConnect: bool
        AddressFamily: AddressFamily
        BindToAddress: ListenAddress list
        ListenAddress: ListenAddress list
        BindToInterface: string voption
        FWMark: int
        UdpReceiveBuffer: int
        UdpSendBuffer: int
        /// The system's answer to a buffer size that was asked for in so many words is worth a warning.
        UdpReceiveBufferGiven: bool
        UdpSendBufferGiven: bool
        Device: string voption
        DeviceType: DeviceType
        Interface: string voption
        DeviceStandby: bool
        IffOneQueue: bool
        VdeGroup: string voption
        VdePort: int
        Mode: Mode
        Forwarding: Forwarding
        Broadcast: Broadcast
        /// The four that are always there, and those configured.
        BroadcastSubnets: Subnet list
        DirectOnly: bool
        DecrementTtl: bool
        PriorityInheritance: bool
        TunnelServer: bool
        StrictSubnets: bool
        MacExpire: Seconds
        IndirectData: bool
        TcpOnly: bool
        PmtuDiscovery: bool
        ClampMss: bool
        Compression: int
        Pmtu: int voption
        Weight: int voption
        PingInterval: Seconds
        PingTimeout: Seconds
        /// Floor of the pause between connection attempts.
        MinTimeout: Seconds
        MaxTimeout: Seconds
        MaxConnectionBurst: int
        MaxOutputBufferSize: int
        KeyExpire: Seconds
        /// Bytes of replay bitmap, where configured.
        ReplayWindow: int voption
        UdpDiscovery: bool
        UdpDiscoveryInterval: Seconds
        UdpDiscoveryKeepaliveInterval: Seconds
        UdpDiscoveryTimeout: Seconds
        LocalDiscovery: bool
        UdpInfoInterval: Seconds
        MtuInfoInterval: Seconds
        InvitationExpire: Seconds
        Hostnames: bool
        /// New peers get a packet that faulty versions choke on.
        DisableBuggyPeers: bool
        /// File, or `|` and a command, that gets the graph now and then.
        GraphDumpFile: string voption
        Proxy: Proxy
        ScriptsInterpreter: string voption
        ScriptsExtension: string
        ProcessPriority: ProcessPriority voption
        Sandbox: Sandbox
        /// Peers are believed without proof, and nothing on meta connections is encrypted (--bypass-security).
        BypassSecurity: bool
        /// Debug level when the command line gives none.
        LogLevel: int
        /// Ports that routers are asked to let through.
        Upnp: Upnp
        UpnpDiscoverWait: Seconds
        UpnpRefreshPeriod: Seconds
        /// The entries that are in effect: what a reload compares with.
        InEffect: ConfigTable
    }

module Settings =

    /// Our own options word as announced (spec 02 §1). Without SPTPS the minor version is 0.
    let ownOptions (settings: Settings) : uint32 =
        let bit flag value = if flag then value else 0u

        bit (settings.IndirectData || settings.TcpOnly) Options.indirect
        ||| bit settings.TcpOnly Options.tcpOnly
        ||| bit settings.PmtuDiscovery Options.pmtuDiscovery
        ||| bit settings.ClampMss Options.clampMss
        |> Options.withMinor (if settings.ExperimentalProtocol then Protocol.minor else 0)

    /// Networks that are always broadcast (spec 04 §6.6).
    let builtinBroadcastSubnets: Subnet list =
        [ "ff:ff:ff:ff:ff:ff"; "255.255.255.255"; "224.0.0.0/4"; "ff00::/8" ]
        |> List.choose (fun text ->
            match Subnet.tryParse text with
            | Ok subnet -> Some subnet
            | Error _ -> None)

    let private flagDefault name =
        match Variables.tryFind name with
        | ValueSome variable -> Value.yesNo variable.Default = ValueSome true
        | ValueNone -> false

    let private numberDefault name =
        match Variables.tryFind name with
        | ValueSome variable -> ValueOption.defaultValue 0 (Value.whole variable.Default)
        | ValueNone -> 0

    /// The settings of a node whose files say nothing but its name.
    let defaults (name: NodeName) (confBase: string) : Settings =
        { Name = name
          ConfBase = confBase
          NetName = ValueNone
          PrivateKey = ValueNone
          PublicKey = ValueNone
          LegacyProtocol = true
          RsaKey = ValueNone
          PacketAlgorithms = PacketAlgorithms.defaults
          InvitationKey = ValueNone
          ExperimentalProtocol = true
          Own = HostSettings.empty name
          Hosts = Map.empty
          ConnectTo = []
          AutoConnect = flagDefault "AutoConnect"
          AddressFamily = AnyFamily
          BindToAddress = []
          ListenAddress = []
          BindToInterface = ValueNone
          FWMark = numberDefault "FWMark"
          UdpReceiveBuffer = numberDefault "UDPRcvBuf"
          UdpSendBuffer = numberDefault "UDPSndBuf"
          UdpReceiveBufferGiven = false
          UdpSendBufferGiven = false
          Device = ValueNone
          DeviceType = Tun
          Interface = ValueNone
          DeviceStandby = flagDefault "DeviceStandby"
          IffOneQueue = flagDefault "IffOneQueue"
          VdeGroup = ValueNone
          VdePort = numberDefault "VDEPort"
          Mode = Router
          Forwarding = Internal
          Broadcast = SpanningTree
          BroadcastSubnets = builtinBroadcastSubnets
          DirectOnly = flagDefault "DirectOnly"
          DecrementTtl = flagDefault "DecrementTTL"
          PriorityInheritance = flagDefault "PriorityInheritance"
          TunnelServer = flagDefault "TunnelServer"
          StrictSubnets = flagDefault "StrictSubnets"
          MacExpire = numberDefault "MACExpire"
          IndirectData = flagDefault "IndirectData"
          TcpOnly = flagDefault "TCPOnly"
          PmtuDiscovery = true
          ClampMss = flagDefault "ClampMSS"
          Compression = numberDefault "Compression"
          Pmtu = ValueNone
          Weight = ValueNone
          PingInterval = numberDefault "PingInterval"
          PingTimeout = numberDefault "PingTimeout"
          MinTimeout = numberDefault "MinTimeout"
          MaxTimeout = numberDefault "MaxTimeout"
          MaxConnectionBurst = numberDefault "MaxConnectionBurst"
          MaxOutputBufferSize = numberDefault "MaxOutputBufferSize"
          KeyExpire = numberDefault "KeyExpire"
          ReplayWindow = ValueNone
          UdpDiscovery = flagDefault "UDPDiscovery"
          UdpDiscoveryInterval = numberDefault "UDPDiscoveryInterval"
          UdpDiscoveryKeepaliveInterval = numberDefault "UDPDiscoveryKeepaliveInterval"
          UdpDiscoveryTimeout = numberDefault "UDPDiscoveryTimeout"
          LocalDiscovery = flagDefault "LocalDiscovery"
          UdpInfoInterval = numberDefault "UDPInfoInterval"
          MtuInfoInterval = numberDefault "MTUInfoInterval"
          InvitationExpire = numberDefault "InvitationExpire"
          Hostnames = flagDefault "Hostnames"
          DisableBuggyPeers = flagDefault "DisableBuggyPeers"
          GraphDumpFile = ValueNone
          Proxy = NoProxy
          ScriptsInterpreter = ValueNone
          ScriptsExtension = ""
          ProcessPriority = ValueNone
          Sandbox = NoSandbox
          BypassSecurity = false
          LogLevel = numberDefault "LogLevel"
          Upnp = NoUpnp
          UpnpDiscoverWait = numberDefault "UPnPDiscoverWait"
          UpnpRefreshPeriod = numberDefault "UPnPRefreshPeriod"
          InEffect = ConfigTable.empty }

    /// For debugging: the meta protocol without its security (spec 05 §1.1).
    let bypassingSecurity (settings: Settings) : Settings = { settings with BypassSecurity = true }

    /// After a change of root the configuration directory is the root (spec 05 §2.8).
    let chrooted (settings: Settings) : Settings = { settings with ConfBase = "" }
