namespace TincPure.Meta

/// The requests of the meta protocol (spec 02 §4). `Status` and `Error` are reserved and have no handler; `ReqPubkey` and
/// `AnsPubkey` exist only inside `ReqKey`.
[<RequireQualifiedAccess>]
type Request =
    | Id
    | MetaKey
    | Challenge
    | ChalReply
    | Ack
    | Status
    | Error
    | TermReq
    | Ping
    | Pong
    | AddSubnet
    | DelSubnet
    | AddEdge
    | DelEdge
    | KeyChanged
    | ReqKey
    | AnsKey
    | Packet
    | Control
    | ReqPubkey
    | AnsPubkey
    | SptpsPacket
    | UdpInfo
    | MtuInfo

module Request =

    let private describe (request: Request) : struct (int * string) =
        match request with
        | Request.Id -> struct (0, "ID")
        | Request.MetaKey -> struct (1, "METAKEY")
        | Request.Challenge -> struct (2, "CHALLENGE")
        | Request.ChalReply -> struct (3, "CHAL_REPLY")
        | Request.Ack -> struct (4, "ACK")
        | Request.Status -> struct (5, "STATUS")
        | Request.Error -> struct (6, "ERROR")
        | Request.TermReq -> struct (7, "TERMREQ")
        | Request.Ping -> struct (8, "PING")
        | Request.Pong -> struct (9, "PONG")
        | Request.AddSubnet -> struct (10, "ADD_SUBNET")
        | Request.DelSubnet -> struct (11, "DEL_SUBNET")
        | Request.AddEdge -> struct (12, "ADD_EDGE")
        | Request.DelEdge -> struct (13, "DEL_EDGE")
        | Request.KeyChanged -> struct (14, "KEY_CHANGED")
        | Request.ReqKey -> struct (15, "REQ_KEY")
        | Request.AnsKey -> struct (16, "ANS_KEY")
        | Request.Packet -> struct (17, "PACKET")
        | Request.Control -> struct (18, "CONTROL")
        | Request.ReqPubkey -> struct (19, "REQ_PUBKEY")
        | Request.AnsPubkey -> struct (20, "ANS_PUBKEY")
        | Request.SptpsPacket -> struct (21, "SPTPS_PACKET")
        | Request.UdpInfo -> struct (22, "UDP_INFO")
        | Request.MtuInfo -> struct (23, "MTU_INFO")

    let private byNumber =
        [| Request.Id
           Request.MetaKey
           Request.Challenge
           Request.ChalReply
           Request.Ack
           Request.Status
           Request.Error
           Request.TermReq
           Request.Ping
           Request.Pong
           Request.AddSubnet
           Request.DelSubnet
           Request.AddEdge
           Request.DelEdge
           Request.KeyChanged
           Request.ReqKey
           Request.AnsKey
           Request.Packet
           Request.Control
           Request.ReqPubkey
           Request.AnsPubkey
           Request.SptpsPacket
           Request.UdpInfo
           Request.MtuInfo |]

    /// The number on the wire.
    let number (request: Request) : int =
        let struct (number, _) = describe request
        number

    /// The name that logs use, such as `ADD_EDGE`.
    let name (request: Request) : string =
        let struct (_, name) = describe request
        name

    /// The request with this number, whether or not it has a handler.
    let ofNumber (number: int) : Request voption =
        if number < 0 || number >= byNumber.Length then
            ValueNone
        else
            ValueSome byNumber[number]

    /// Whether the request may come as a line of its own (spec 02 §3.2).
    let hasHandler (request: Request) : bool =
        match request with
        | Request.Status
        | Request.Error
        | Request.ReqPubkey
        | Request.AnsPubkey -> false
        | _ -> true

/// Sub-requests of CONTROL (spec 06 §15.4).
module ControlRequest =

    let stop = 0
    let reload = 1
    let restart = 2
    let dumpNodes = 3
    let dumpEdges = 4
    let dumpSubnets = 5
    let dumpConnections = 6
    let dumpGraph = 7
    let purge = 8
    let setDebug = 9
    let retry = 10
    let connect = 11
    let disconnect = 12
    let dumpTraffic = 13
    let pcap = 14
    let log = 15

    // Requests of our own, far from stock's numbers; a stock daemon answers them with `invalid`.

    /// What is known of the way to each node, beyond what the dump of nodes tells.
    let dumpPaths = 100
    let ping = 101
    let events = 102

    /// How often something that came in was dropped, by cause.
    let dumpDrops = 103

    /// The answer to a sub-request that does not exist.
    let invalid = -1
