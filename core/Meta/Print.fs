namespace TincPure.Meta

open System
open TincPure.Primitives
open TincPure.Topology

/// Writes request lines as stock daemons do (spec 02 §4).
module Print =

    let private hex (value: uint32) = value.ToString "x"

    let private join (fields: string list) = String.Join(' ', fields)

    let private fields (message: Message) : string list =
        match message with
        | Message.Id(name, major, ValueNone) -> [ name; string major ]
        | Message.Id(name, major, ValueSome minor) -> [ name; string major + "." + string minor ]
        | Message.MetaKey key ->
            [ string key.Cipher; string key.Digest; string key.MacLength; string key.Compression; key.Key ]
        | Message.Challenge text
        | Message.ChalReply text
        | Message.AckUpgrade text
        | Message.AckInvitation text -> [ text ]
        | Message.Ack(port, weight, options) -> [ port; string weight; hex options ]
        | Message.AckControl(version, pid) -> [ string version; string pid ]
        | Message.TermReq
        | Message.Ping
        | Message.Pong -> []
        | Message.AddSubnet(nonce, owner, subnet)
        | Message.DelSubnet(nonce, owner, subnet) -> [ hex nonce; owner.Text; Subnet.toText subnet ]
        | Message.AddEdge edge ->
            let struct (host, port) = Address.toWire edge.Address

            let local =
                match edge.Local with
                | ValueSome address ->
                    let struct (host, port) = Address.toWire address
                    [ host; port ]
                | ValueNone -> []

            [ hex edge.Nonce; edge.From.Text; edge.To.Text; host; port; hex edge.Options; string edge.Weight ]
            @ local
        | Message.DelEdge(nonce, from, target) -> [ hex nonce; from.Text; target.Text ]
        | Message.KeyChanged(nonce, name) -> [ hex nonce; name ]
        | Message.ReqKey(from, target, request) ->
            match KeyRequest.toNumber request with
            | struct (0, _) -> [ from.Text; target.Text ]
            | struct (sub, "") -> [ from.Text; target.Text; string sub ]
            | struct (sub, data) -> [ from.Text; target.Text; string sub; data ]
        | Message.AnsKey answer ->
            let reflexive =
                match answer.Reflexive with
                | ValueSome address ->
                    let struct (host, port) = Address.toWire address
                    [ host; port ]
                | ValueNone -> []

            [ answer.From.Text
              answer.To.Text
              answer.Key
              string answer.Cipher
              string answer.Digest
              string answer.MacLength
              string answer.Compression ]
            @ reflexive
        | Message.Packet length
        | Message.SptpsPacket length -> [ string length ]
        | Message.Control(sub, "") -> [ string sub ]
        | Message.Control(sub, arguments) -> [ string sub; arguments ]
        | Message.UdpInfo(from, target, address) ->
            let struct (host, port) = Address.toWire address
            [ from.Text; target.Text; host; port ]
        | Message.MtuInfo(from, target, mtu) -> [ from.Text; target.Text; string mtu ]

    /// The line without LF.
    let line (message: Message) : string = join (string (Request.number (Message.request message)) :: fields message)
