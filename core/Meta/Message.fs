namespace TincPure.Meta

open TincPure.Primitives
open TincPure.Topology

/// How the sender of METAKEY will encrypt, and its key (spec 08 §5). Cipher and digest are OpenSSL numbers, the key is hex.
type MetaKey = { Cipher: int; Digest: int; MacLength: int; Compression: int; Key: string }

/// An edge as announced. `Address` is where `From` sees `To`, `Local` is where `From` itself is (spec 02 §4, §9.4).
type AddEdge =
    { Nonce: uint32
      From: NodeName
      To: NodeName
      Address: Address
      Options: uint32
      Weight: int
      Local: Address voption }

/// What REQ_KEY asks for (spec 02 §9.6). Datagrams and keys are tinc base64 as received, empty if there was none.
[<RequireQualifiedAccess>]
type KeyRequest =
    /// A legacy key.
    | Legacy
    | StartSptps of datagram: string
    | ReqPubkey
    | AnsPubkey of key: string
    | SptpsPacket of datagram: string
    /// Known to nobody yet, but passed on.
    | Unknown of sub: int * data: string

/// A key, or a handshake datagram in tinc base64 with cipher, digest and MAC length -1 (spec 02 §9.7). `Compression` is the level
/// that the sender wants to receive; `Reflexive` the sender's UDP address as a node on the way saw it.
type AnsKey =
    { From: NodeName
      To: NodeName
      Key: string
      Cipher: int
      Digest: int
      MacLength: int
      Compression: int
      Reflexive: Address voption }

/// Every request of the meta protocol (spec 02 §4). Names that are not checked for validity when read are text.
[<RequireQualifiedAccess>]
type Message =
    /// `name` may also be `^` and a cookie or `?` and a key (spec 02 §6).
    | Id of name: string * major: int * minor: int voption
    | MetaKey of MetaKey
    | Challenge of hex: string
    | ChalReply of hex: string
    | Ack of port: string * weight: int * options: uint32
    /// The sender's Ed25519 public key, on a legacy connection that is about to be upgraded.
    | AckUpgrade of key: string
    /// The daemon's answer to a control client.
    | AckControl of version: int * pid: int
    /// The public key that signs the SPTPS session with an invited node.
    | AckInvitation of key: string
    | TermReq
    | Ping
    | Pong
    | AddSubnet of nonce: uint32 * owner: NodeName * subnet: Subnet
    | DelSubnet of nonce: uint32 * owner: NodeName * subnet: Subnet
    | AddEdge of AddEdge
    | DelEdge of nonce: uint32 * from: NodeName * target: NodeName
    | KeyChanged of nonce: uint32 * name: string
    | ReqKey of from: NodeName * target: NodeName * KeyRequest
    | AnsKey of AnsKey
    /// A frame of so many bytes follows (spec 02 §3.3).
    | Packet of length: int
    /// Sub-request and what follows it, without leading blanks.
    | Control of sub: int * arguments: string
    /// A raw block of so many bytes follows.
    | SptpsPacket of length: int
    | UdpInfo of from: NodeName * target: NodeName * Address
    | MtuInfo of from: NodeName * target: NodeName * mtu: int

module KeyRequest =

    /// Sub-request numbers: those of the requests that they once were.
    let startSptps = Request.number Request.ReqKey
    let reqPubkey = Request.number Request.ReqPubkey
    let ansPubkey = Request.number Request.AnsPubkey
    let sptpsPacket = Request.number Request.SptpsPacket

    let ofNumber (sub: int) (data: string) : KeyRequest =
        if sub = 0 then KeyRequest.Legacy
        elif sub = startSptps then KeyRequest.StartSptps data
        elif sub = reqPubkey then KeyRequest.ReqPubkey
        elif sub = ansPubkey then KeyRequest.AnsPubkey data
        elif sub = sptpsPacket then KeyRequest.SptpsPacket data
        else KeyRequest.Unknown(sub, data)

    /// Number and data; 0 for the legacy request, which is sent without either.
    let toNumber (request: KeyRequest) : struct (int * string) =
        match request with
        | KeyRequest.Legacy -> struct (0, "")
        | KeyRequest.StartSptps datagram -> struct (startSptps, datagram)
        | KeyRequest.ReqPubkey -> struct (reqPubkey, "")
        | KeyRequest.AnsPubkey key -> struct (ansPubkey, key)
        | KeyRequest.SptpsPacket datagram -> struct (sptpsPacket, datagram)
        | KeyRequest.Unknown(sub, data) -> struct (sub, data)

module Message =

    /// The request that the message is an instance of.
    let request (message: Message) : Request =
        match message with
        | Message.Id _ -> Request.Id
        | Message.MetaKey _ -> Request.MetaKey
        | Message.Challenge _ -> Request.Challenge
        | Message.ChalReply _ -> Request.ChalReply
        | Message.Ack _
        | Message.AckUpgrade _
        | Message.AckControl _
        | Message.AckInvitation _ -> Request.Ack
        | Message.TermReq -> Request.TermReq
        | Message.Ping -> Request.Ping
        | Message.Pong -> Request.Pong
        | Message.AddSubnet _ -> Request.AddSubnet
        | Message.DelSubnet _ -> Request.DelSubnet
        | Message.AddEdge _ -> Request.AddEdge
        | Message.DelEdge _ -> Request.DelEdge
        | Message.KeyChanged _ -> Request.KeyChanged
        | Message.ReqKey _ -> Request.ReqKey
        | Message.AnsKey _ -> Request.AnsKey
        | Message.Packet _ -> Request.Packet
        | Message.Control _ -> Request.Control
        | Message.SptpsPacket _ -> Request.SptpsPacket
        | Message.UdpInfo _ -> Request.UdpInfo
        | Message.MtuInfo _ -> Request.MtuInfo

    /// Whether it floods: carries a nonce, passes the seen cache and is forwarded to everyone (spec 02 §8).
    let floods (message: Message) : bool =
        match message with
        | Message.AddSubnet _
        | Message.DelSubnet _
        | Message.AddEdge _
        | Message.DelEdge _
        | Message.KeyChanged _ -> true
        | _ -> false
