namespace TincPure.Primitives

/// Numbers of the protocol (spec 02 §3.2, §5.2).
module Protocol =

    let major = 17

    /// What a node with ExperimentalProtocol announces.
    let minor = 7

    /// Largest frame: Ethernet header, VLAN tag and 1500 bytes.
    let mtu = 1518

    /// Smallest MTU that MTU_INFO may name.
    let minMtu = 512

    /// Largest packet with all its overheads: MTU + 4 + 6 + 6 + 32 + 64 + MTU/64 + 20.
    let maxSize = 1673

    /// A text field takes at most so many bytes.
    let maxText = 2048

    /// The line buffer: max (maxSize, maxText) + 128.
    let maxBufferSize = 2176

    /// The version of the control protocol.
    let controlVersion = 0

/// The protocol minor version from which on a neighbour understands something (spec 02 §1).
module MinorVersion =

    let sptps = 2
    let probeReplyType2 = 3
    let udpRelay = 4
    let udpInfo = 5
    let mtuInfo = 6
    let sptpsPacket = 7

/// The options word of nodes, edges and ACK: flags below, the protocol minor version in the top byte (spec 02 §1).
module Options =

    let indirect = 0x01u
    let tcpOnly = 0x02u
    let pmtuDiscovery = 0x04u
    let clampMss = 0x08u

    /// All flags, without the version.
    let flags (options: uint32) : uint32 = options &&& 0x00ffffffu

    let minor (options: uint32) : int = int (options >>> 24)

    let withMinor (minor: int) (options: uint32) : uint32 = flags options ||| (uint32 minor <<< 24)

    let has (flag: uint32) (options: uint32) : bool = options &&& flag <> 0u
