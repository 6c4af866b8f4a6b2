/// The keys of nodes that have no SPTPS: what we give them to send to us with, and what they gave us (spec 03 §12).
module TincPure.Node.LegacyKeys

open System
open TincPure.Primitives
open TincPure.Crypto.Legacy
open TincPure.Meta
open TincPure.Routing

/// Do we exchange keys with nodes that have no SPTPS?
let isSpoken (turn: Turn) : bool = turn.Node.Settings.LegacyProtocol

/// Makes a key for what the node sends us, and tells it (ANS_KEY). It voids the one before.
let give (turn: Turn) (index: int) : unit =
    if isSpoken turn && index <> 0 then
        let settings = turn.Node.Settings
        let algorithms = settings.PacketAlgorithms
        let random = turn.RandomBytes(PacketAlgorithms.materialLength algorithms)
        let key = PacketKey.create algorithms settings.Compression random
        let peer = turn.Peer index

        turn.SetPeer { peer with LegacyKeyGiven = true }

        turn.Packet(PacketCommand.GiveLegacyKey(index, key, Peers.replayWindow turn.Node))

        Wire.sendTowards
            turn
            index
            (Message.AnsKey
                { From = turn.Node.Own
                  To = peer.Name
                  Key = Convert.ToHexString key.Material
                  Cipher = PacketAlgorithms.cipherNid algorithms
                  Digest = PacketAlgorithms.digestNid algorithms
                  MacLength = PacketAlgorithms.announcedMacLength algorithms
                  Compression = settings.Compression
                  Reflexive = ValueNone })

/// The node's key is void; it may be asked for another one at once.
let drop (turn: Turn) (index: int) : unit =
    let peer = turn.Peer index

    if peer.LegacyKey.IsSome then
        turn.Packet(PacketCommand.DropLegacySendKey index)

    turn.SetPeer { peer with LegacyKey = ValueNone; LegacyKeyAsked = Instant.never }

/// The node gave us a key.
let take (turn: Turn) (index: int) (key: PacketKey) : unit =
    turn.SetPeer
        { turn.Peer index with
            LegacyKey = ValueSome key.Algorithms
            KeyedAt = turn.Now
            SendCompression = key.Compression }

    turn.Packet(PacketCommand.UseLegacyKey(index, key))

/// Our key for the node is void.
let withdraw (turn: Turn) (index: int) : unit =
    let peer = turn.Peer index

    if peer.LegacyKeyGiven then
        turn.SetPeer { peer with LegacyKeyGiven = false }
        turn.Packet(PacketCommand.DropLegacyReceiveKey index)

/// All keys that legacy nodes have of us are renewed: those with whom we talk get the next one at once, which keeps NATs open, the
/// others when they ask. First withdrawn, then given, unlike stock (spec 03 §12.4).
let renewAll (turn: Turn) : unit =
    for peer in Vector.toArray turn.Node.Peers do
        if peer.LegacyKeyGiven then
            if peer.Reachable && (peer.Connection.IsSome || peer.Discovery.Confirmed) then
                give turn peer.Index
            else
                withdraw turn peer.Index

/// A node that does not answer is asked again after so many seconds.
let patience = 10

/// Asks for the node's key, unless it was asked lately.
let ask (turn: Turn) (index: int) : unit =
    let peer = turn.Peer index

    if turn.Now >= Instant.addSeconds patience peer.LegacyKeyAsked then
        turn.SetPeer { peer with LegacyKeyAsked = turn.Now }
        Wire.sendTowards turn index (Message.ReqKey(turn.Node.Own, peer.Name, KeyRequest.Legacy))
