/// The stream of a meta connection in plain text, in portions of any size.
module TincPure.Fuzz.MetaFraming

open TincPure.Meta

/// What comes out of a stream up to its end, and what is left of it.
let private pieces (portions: byte[] list) : Framed list * int =
    let found = ResizeArray<Framed>()
    let mutable framing = Framing.start
    let mutable isOpen = true

    let announce line =
        match Parse.line Permitted.All line with
        | Ok(Message.Packet length) -> framing <- Framing.expectPacket length framing
        | Ok(Message.SptpsPacket length) -> framing <- Framing.expectSptpsPacket length framing
        | _ -> ()

    for portion in portions do
        if isOpen then
            framing <- Framing.receive portion framing
            let mutable starved = false

            while not starved && isOpen do
                let struct (piece, rest) = Framing.next framing
                framing <- rest

                match piece with
                | Starved -> starved <- true
                | BufferFull
                | WrongPacketLength
                | ForSession _ ->
                    found.Add piece
                    isOpen <- false
                | Line line ->
                    found.Add piece
                    announce line
                | PacketBlock _
                | SptpsPacketBlock _ -> found.Add piece

    List.ofSeq found, (if isOpen then Framing.unread framing else 0)

/// Cut into portions whose sizes come from the first bytes, again and again.
let portions (sizes: byte[]) (stream: byte[]) : byte[] list =
    let rec cut at i portions =
        if at >= stream.Length then
            List.rev portions
        else
            let size = 1 + int sizes[i % sizes.Length]
            let size = if size > 128 then (size - 128) * 32 else size
            cut (at + size) (i + 1) (Array.sub stream at (min size (stream.Length - at)) :: portions)

    if sizes.Length = 0 then [ stream ] else cut 0 0 []

let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input
    let sizes = tape.Block()
    let stream = tape.Rest()
    let whole, unread = pieces [ stream ]

    for piece in whole do
        match piece with
        | Line line -> behaviour.Saw("line", line.Length)
        | PacketBlock block -> behaviour.Saw("packet", block.Length)
        | SptpsPacketBlock block -> behaviour.Saw("datagram", block.Length)
        | BufferFull -> behaviour.Saw "full"
        | ForSession _
        | Starved
        | WrongPacketLength -> behaviour.Saw "other"

    behaviour.Saw("unread", unread)
    Target.check (whole |> List.forall (fun piece -> not piece.IsForSession)) "plain text went to a session"
    Target.check (unread < TincPure.Primitives.Protocol.maxBufferSize) "more is kept than the buffer holds"
    Target.check (pieces (portions sizes stream) = (whole, unread)) "other pieces in other portions"

    if stream.Length < 512 then
        Target.check (pieces (portions [| 0uy |] stream) = (whole, unread)) "other pieces byte by byte"

let private seeds () =
    let stream =
        Corpus.texts "02-meta-lines-active.json" [ "line" ]
        |> List.chunkBySize 8
        |> List.map (fun lines -> System.String.Join('\n', lines) + "\n")

    [ for text in stream @ [ "17 5\nabcde21 3\nxyz8\n"; "21 2176\n" + System.String('x', 2200) ] do
          Array.append [| 2uy; 3uy; 200uy |] (System.Text.Encoding.Latin1.GetBytes text) ]

let target =
    { Target.create "meta-framing" "a stream falls into the same pieces however it is cut" seeds run with
        Words = "\n" :: "17 " :: "21 " :: "21 2176\n" :: "17 2177\n" :: MetaLines.words
        MaxSize = 8192 }
