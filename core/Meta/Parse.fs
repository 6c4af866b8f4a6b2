namespace TincPure.Meta

open System
open TincPure.Primitives
open TincPure.Topology

/// Reads request lines. Total: any text gives a message or an error.
module Parse =

    /// Two valid names that differ where they must.
    let private names
        request
        (first: string)
        (second: string)
        distinct
        : Result<struct (NodeName * NodeName), ParseError> =
        match NodeName.tryParse first, NodeName.tryParse second with
        | ValueSome first, ValueSome second when not (distinct && first.Equals second) -> Ok(struct (first, second))
        | _ -> Error(ParseError.InvalidName request)

    let private id (line: string) (start: int) =
        let mutable at = start

        match struct (Scan.text line &at, Scan.int32Within 2 line &at) with
        | struct (ValueSome name, ValueSome major) ->
            if at < line.Length && line[at] = '.' then
                at <- at + 1
                Ok(Message.Id(name, major, Scan.int32Within 3 line &at))
            else
                Ok(Message.Id(name, major, ValueNone))
        | _ -> Error(ParseError.BadSyntax Request.Id)

    let private metaKey (line: string) (start: int) =
        let mutable at = start
        let cipher = Scan.int32 line &at
        let digest = Scan.int32 line &at
        let macLength = Scan.int32 line &at
        let compression = Scan.int32 line &at

        match struct (cipher, digest, macLength, compression, Scan.text line &at) with
        | struct (ValueSome cipher, ValueSome digest, ValueSome macLength, ValueSome compression, ValueSome key) ->
            Ok(
                Message.MetaKey
                    { Cipher = cipher
                      Digest = digest
                      MacLength = macLength
                      Compression = compression
                      Key = key }
            )
        | _ -> Error(ParseError.BadSyntax Request.MetaKey)

    /// A request whose only field is a text.
    let private single request (make: string -> Message) (line: string) (start: int) =
        let mutable at = start

        match Scan.text line &at with
        | ValueSome text -> Ok(make text)
        | ValueNone -> Error(ParseError.BadSyntax request)

    let private ack (line: string) (start: int) =
        let mutable at = start

        match struct (Scan.text line &at, Scan.int32 line &at, Scan.hex32 line &at) with
        | struct (ValueSome port, ValueSome weight, ValueSome options) -> Ok(Message.Ack(port, weight, options))
        | _ -> Error(ParseError.BadSyntax Request.Ack)

    let private ackControl (line: string) (start: int) =
        let mutable at = start

        match struct (Scan.int32 line &at, Scan.int32 line &at) with
        | struct (ValueSome version, ValueSome pid) -> Ok(Message.AckControl(version, pid))
        | _ -> Error(ParseError.BadSyntax Request.Ack)

    let private subnet request make (line: string) (start: int) =
        let mutable at = start

        match struct (Scan.hex32 line &at, Scan.text line &at, Scan.text line &at) with
        | struct (ValueSome nonce, ValueSome owner, ValueSome text) ->
            match struct (NodeName.tryParse owner, Subnet.tryParse text) with
            | struct (ValueNone, _) -> Error(ParseError.InvalidName request)
            | struct (_, Error _) -> Error(ParseError.InvalidSubnet request)
            | struct (ValueSome owner, Ok subnet) -> Ok(make struct (nonce, owner, subnet))
        | _ -> Error(ParseError.BadSyntax request)

    /// Six fields behind the nonce, or eight (spec 02 §9.4).
    let private addEdge (line: string) (start: int) =
        let mutable at = start
        let nonce = Scan.hex32 line &at
        let from = Scan.text line &at
        let target = Scan.text line &at
        let host = Scan.text line &at
        let port = Scan.text line &at
        let options = Scan.hex32 line &at
        let weight = Scan.int32 line &at

        match struct (nonce, from, target, host, port, options, weight) with
        | struct (ValueSome nonce, ValueSome from, ValueSome target, ValueSome host, ValueSome port, ValueSome options,
                  ValueSome weight) ->
            let edge local =
                names Request.AddEdge from target true
                |> Result.map (fun (struct (from, target)) ->
                    Message.AddEdge
                        { Nonce = nonce
                          From = from
                          To = target
                          Address = Address.ofWire host port
                          Options = options
                          Weight = weight
                          Local = local })

            match struct (Scan.text line &at, Scan.text line &at) with
            | struct (ValueNone, _) -> edge ValueNone
            | struct (ValueSome host, ValueSome port) -> edge (ValueSome(Address.ofWire host port))
            | _ -> Error(ParseError.BadSyntax Request.AddEdge)
        | _ -> Error(ParseError.BadSyntax Request.AddEdge)

    let private delEdge (line: string) (start: int) =
        let mutable at = start

        match struct (Scan.hex32 line &at, Scan.text line &at, Scan.text line &at) with
        | struct (ValueSome nonce, ValueSome from, ValueSome target) ->
            names Request.DelEdge from target true
            |> Result.map (fun (struct (from, target)) -> Message.DelEdge(nonce, from, target))
        | _ -> Error(ParseError.BadSyntax Request.DelEdge)

    let private keyChanged (line: string) (start: int) =
        let mutable at = start

        match struct (Scan.hex32 line &at, Scan.text line &at) with
        | struct (ValueSome nonce, ValueSome name) -> Ok(Message.KeyChanged(nonce, name))
        | _ -> Error(ParseError.BadSyntax Request.KeyChanged)

    let private reqKey (line: string) (start: int) =
        let mutable at = start

        match struct (Scan.text line &at, Scan.text line &at) with
        | struct (ValueSome from, ValueSome target) ->
            let request =
                match Scan.int32 line &at with
                | ValueSome sub -> KeyRequest.ofNumber sub (ValueOption.defaultValue "" (Scan.text line &at))
                | ValueNone -> KeyRequest.Legacy

            names Request.ReqKey from target false
            |> Result.map (fun (struct (from, target)) -> Message.ReqKey(from, target, request))
        | _ -> Error(ParseError.BadSyntax Request.ReqKey)

    let private ansKey (line: string) (start: int) =
        let mutable at = start
        let from = Scan.text line &at
        let target = Scan.text line &at
        let key = Scan.text line &at
        let cipher = Scan.int32 line &at
        let digest = Scan.int32 line &at
        let macLength = Scan.int32 line &at
        let compression = Scan.int32 line &at

        match struct (from, target, key, cipher, digest, macLength, compression) with
        | struct (ValueSome from, ValueSome target, ValueSome key, ValueSome cipher, ValueSome digest,
                  ValueSome macLength, ValueSome compression) ->
            let reflexive =
                match struct (Scan.text line &at, Scan.text line &at) with
                | struct (ValueSome host, ValueSome port) -> ValueSome(Address.ofWire host port)
                | _ -> ValueNone

            names Request.AnsKey from target false
            |> Result.map (fun (struct (from, target)) ->
                Message.AnsKey
                    { From = from
                      To = target
                      Key = key
                      Cipher = cipher
                      Digest = digest
                      MacLength = macLength
                      Compression = compression
                      Reflexive = reflexive })
        | _ -> Error(ParseError.BadSyntax Request.AnsKey)

    /// The length of a block, a signed 16-bit number (spec 02 §3.3).
    let private block request (make: int -> Message) (line: string) (start: int) =
        let mutable at = start

        match Scan.int16 line &at with
        | ValueSome length when length >= 0 -> Ok(make length)
        | _ -> Error(ParseError.BadSyntax request)

    let private control (line: string) (start: int) =
        let mutable at = start

        match Scan.int32 line &at with
        | ValueSome sub ->
            Scan.skipSpace line &at
            Ok(Message.Control(sub, line.Substring at))
        | ValueNone -> Error(ParseError.BadSyntax Request.Control)

    let private udpInfo (line: string) (start: int) =
        let mutable at = start

        match struct (Scan.text line &at, Scan.text line &at, Scan.text line &at, Scan.text line &at) with
        | struct (ValueSome from, ValueSome target, ValueSome host, ValueSome port) ->
            names Request.UdpInfo from target false
            |> Result.map (fun (struct (from, target)) -> Message.UdpInfo(from, target, Address.ofWire host port))
        | _ -> Error(ParseError.BadSyntax Request.UdpInfo)

    let private mtuInfo (line: string) (start: int) =
        let mutable at = start

        match struct (Scan.text line &at, Scan.text line &at, Scan.int32 line &at) with
        | struct (ValueSome from, ValueSome target, ValueSome mtu) ->
            if mtu < Protocol.minMtu then
                Error ParseError.InvalidMtu
            else
                names Request.MtuInfo from target false
                |> Result.map (fun (struct (from, target)) -> Message.MtuInfo(from, target, mtu))
        | _ -> Error(ParseError.BadSyntax Request.MtuInfo)

    /// The request's number by C's atoi, and where its fields begin (spec 02 §3.2); an error if no request has a handler of that number.
    let request (line: string) : Result<struct (Request * int), ParseError> =
        let mutable at = 0

        match Scan.int32 line &at with
        | ValueSome number when number <> 0 || line[0] = '0' ->
            match Request.ofNumber number with
            | ValueSome request when Request.hasHandler request -> Ok(struct (request, at))
            | _ -> Error(ParseError.Unknown line)
        | _ -> Error ParseError.Bogus

    let private arguments permitted request line at =
        match struct (permitted, request) with
        | struct (Permitted.Id, Request.Id) -> id line at
        | struct (Permitted.MetaKey, Request.MetaKey) -> metaKey line at
        | struct (Permitted.Challenge, Request.Challenge) -> single request Message.Challenge line at
        | struct (Permitted.ChalReply, Request.ChalReply) -> single request Message.ChalReply line at
        | struct (Permitted.Ack, Request.Ack) -> ack line at
        | struct (Permitted.AckUpgrade, Request.Ack) -> single request Message.AckUpgrade line at
        | struct (Permitted.AckControl, Request.Ack) -> ackControl line at
        | struct (Permitted.AckInvitation, Request.Ack) -> single request Message.AckInvitation line at
        | struct ((Permitted.TermReq | Permitted.All), Request.TermReq) -> Ok Message.TermReq
        | struct (Permitted.Control, Request.Control) -> control line at
        | struct (Permitted.All, Request.Ping) -> Ok Message.Ping
        | struct (Permitted.All, Request.Pong) -> Ok Message.Pong
        | struct (Permitted.All, Request.AddSubnet) ->
            subnet request (fun (struct (nonce, owner, subnet)) -> Message.AddSubnet(nonce, owner, subnet)) line at
        | struct (Permitted.All, Request.DelSubnet) ->
            subnet request (fun (struct (nonce, owner, subnet)) -> Message.DelSubnet(nonce, owner, subnet)) line at
        | struct (Permitted.All, Request.AddEdge) -> addEdge line at
        | struct (Permitted.All, Request.DelEdge) -> delEdge line at
        | struct (Permitted.All, Request.KeyChanged) -> keyChanged line at
        | struct (Permitted.All, Request.ReqKey) -> reqKey line at
        | struct (Permitted.All, Request.AnsKey) -> ansKey line at
        | struct (Permitted.All, Request.Packet) -> block request Message.Packet line at
        | struct (Permitted.All, Request.SptpsPacket) -> block request Message.SptpsPacket line at
        | struct (Permitted.All, Request.UdpInfo) -> udpInfo line at
        | struct (Permitted.All, Request.MtuInfo) -> mtuInfo line at
        | struct (Permitted.All, Request.Control) -> Error ParseError.UnauthorizedControl
        | _ -> Error ParseError.Unauthorized

    /// Reads a line (without LF) on a connection that may send `permitted`. The caller keeps the line: a flooded request is forwarded
    /// as it came (spec 02 §8).
    let line (permitted: Permitted) (line: string) : Result<Message, ParseError> =
        match request line with
        | Ok(struct (request, at)) -> arguments permitted request line at
        | Error error -> Error error

    /// The same for bytes, which may carry the LF (spec 02 §3.1).
    let bytes (permitted: Permitted) (source: ReadOnlySpan<byte>) : Result<Message, ParseError> =
        line permitted (Line.ofBytes source)
