module TincPure.Core.Tests.MetaFramingTests

open System
open FsCheck
open FsCheck.FSharp
open TincPure.Meta
open TincPure.Primitives
open Xunit

/// A piece of a plain stream.
type private Piece =
    | Text of string
    | Frame of byte[]
    | Datagram of byte[]

let private pieces: Gen<Piece list> =
    let block =
        Gen.choose (1, 300)
        |> Gen.bind (fun length -> Gen.arrayOfLength length (ArbMap.generate ArbMap.defaults))

    Gen.oneof
        [ Gen.map (Print.line >> Text) MetaMessages.active
          |> Gen.filter (fun piece ->
              match piece with
              | Text line -> line.Length < 2176 && not (line.StartsWith "17 " || line.StartsWith "21 ")
              | _ -> true)
          Gen.map Frame block
          Gen.map Datagram block ]
    |> Gen.listOf

let private ascii (text: string) = Text.Encoding.Latin1.GetBytes text

let private toStream (piece: Piece) : byte[] =
    match piece with
    | Text line -> ascii (line + "\n")
    | Frame block -> Array.append (ascii ("17 " + string block.Length + "\n")) block
    | Datagram block -> Array.append (ascii ("21 " + string block.Length + "\n")) block

/// Takes out all that is there, obeying the announcements.
let rec private drain (taken: Piece list) (framing: Framing) : struct (Piece list * Framing) =
    let struct (framed, framing) = Framing.next framing

    match framed with
    | Line line ->
        match Parse.line Permitted.All line with
        | Ok(Message.Packet length) -> drain taken (Framing.expectPacket length framing)
        | Ok(Message.SptpsPacket length) -> drain taken (Framing.expectSptpsPacket length framing)
        | _ -> drain (Text line :: taken) framing
    | PacketBlock block -> drain (Frame block :: taken) framing
    | SptpsPacketBlock block -> drain (Datagram block :: taken) framing
    | Starved -> struct (taken, framing)
    | other -> failwith (string other)

[<Fact>]
let ``a plain stream comes out as it went in, however it is cut`` () =
    let cases = Gen.zip pieces (Gen.choose (1, 700))

    Prop.forAll (Arb.fromGen cases) (fun (pieces, size) ->
        let struct (taken, _) =
            pieces
            |> List.map toStream
            |> Array.concat
            |> Array.chunkBySize size
            |> Array.fold
                (fun (struct (taken, framing)) chunk -> drain taken (Framing.receive chunk framing))
                (struct ([], Framing.start))

        List.rev taken = pieces)
    |> Check.QuickThrowOnFailure

let private frame (framing: Framing) =
    let struct (framed, _) = Framing.next framing
    framed

[<Fact>]
let ``a line of 2175 bytes fits and one more byte does not`` () =
    let longest = Framing.receive (ascii (String('8', 2175) + "\n")) Framing.start
    Assert.Equal(Line(String('8', 2175)), frame longest)
    Assert.Equal(BufferFull, frame (Framing.receive (ascii (String('8', 2176) + "\n")) Framing.start))
    Assert.Equal(Starved, frame (Framing.receive (ascii (String('8', 2175))) Framing.start))

[<Fact>]
let ``a block larger than the buffer never completes`` () =
    let announced = Framing.expectSptpsPacket 2177 Framing.start
    Assert.Equal(Starved, frame (Framing.receive (Array.zeroCreate 2175) announced))
    Assert.Equal(BufferFull, frame (Framing.receive (Array.zeroCreate 2177) announced))
    let fits = Framing.expectSptpsPacket 2176 Framing.start
    Assert.Equal(SptpsPacketBlock(Array.zeroCreate 2176), frame (Framing.receive (Array.zeroCreate 2176) fits))

[<Fact>]
let ``in SPTPS mode bytes go to the session and raw blocks do not`` () =
    let framing = Framing.start |> Framing.receive (ascii "0 a 17.7\nrecordBLOCKmore")

    let struct (line, framing) = Framing.next framing
    Assert.Equal(Line "0 a 17.7", line)
    let struct (session, framing) = framing |> Framing.startSptps |> Framing.next

    match session with
    | ForSession bytes -> Assert.Equal<byte[]>(ascii "recordBLOCKmore", bytes.ToArray())
    | other -> Assert.Fail(string other)

    let struct (request, framing) = framing |> Framing.consumed 6 |> Framing.record (ascii "21 5\n")
    Assert.Equal(Line "21 5", request)
    let struct (block, framing) = framing |> Framing.expectSptpsPacket 5 |> Framing.next
    Assert.Equal(SptpsPacketBlock(ascii "BLOCK"), block)
    let struct (session, framing) = Framing.next framing

    match session with
    | ForSession bytes -> Assert.Equal<byte[]>(ascii "more", bytes.ToArray())
    | other -> Assert.Fail(string other)

    Assert.Equal(Starved, frame (Framing.consumed 4 framing))

[<Fact>]
let ``in SPTPS mode a frame is a record of the announced length`` () =
    let framing = Framing.start |> Framing.startSptps |> Framing.expectPacket 3
    let struct (packet, after) = Framing.record [| 8uy; 10uy; 0uy |] framing
    Assert.Equal(PacketBlock [| 8uy; 10uy; 0uy |], packet)
    let struct (line, _) = Framing.record (ascii "8\n") after
    Assert.Equal(Line "8", line)
    let struct (wrong, _) = Framing.record [| 8uy; 10uy |] framing
    Assert.Equal(WrongPacketLength, wrong)
    let struct (none, _) = Framing.start |> Framing.expectPacket 0 |> Framing.record (ascii "8\n")
    Assert.Equal(Line "8", none)

[<Fact>]
let ``a cipher takes over behind the line that was read`` () =
    let struct (line, framing) = Framing.start |> Framing.receive (ascii "1 x\nSECRET\n") |> Framing.next
    Assert.Equal(Line "1 x", line)
    Assert.Equal(Line "secret", frame (Framing.mapRest (Array.map (fun b -> if b > 64uy then b + 32uy else b)) framing))

let private second = Instant.second
let private at (seconds: int) = Instant.addSeconds seconds (Instant 1_700_000_000_000_000L)

[<Fact>]
let ``a line is seen once per lifetime, whatever else arrives`` () =
    let look now line seen = Seen.check now line seen
    let struct (first, seen) = look (at 0) "10 1 a 10.0.0.0/8" (Seen.create (60L * second))
    Assert.False first
    let mutable seen = seen

    for i in 1..300 do
        let struct (known, next) = look (at i) ("14 " + string i + " a") seen
        Assert.False known
        seen <- next

        if i < 60 then
            let struct (again, next) = look (at i) "10 1 a 10.0.0.0/8" seen
            Assert.True again
            seen <- next

    let struct (again, _) = look (at 300) "10 1 a 10.0.0.0/8" seen
    Assert.False again
    Assert.True(Seen.count seen <= 121)

[<Fact>]
let ``a flood of lines does not grow the cache beyond its bound`` () =
    let mutable seen = Seen.create (60L * second)

    for i in 1 .. 3 * Seen.generationSize do
        let struct (known, next) = Seen.check (at 0) ("14 " + string i + " a") seen
        Assert.False known
        seen <- next

    Assert.True(Seen.count seen <= 2 * Seen.generationSize)
    let struct (recent, _) = Seen.check (at 0) ("14 " + string (3 * Seen.generationSize) + " a") seen
    Assert.True recent

[<Fact>]
let ``a quiet cache forgets everything`` () =
    let struct (_, seen) = Seen.check (at 0) "14 1 a" (Seen.create (60L * second))
    Assert.Equal(1, Seen.count (Seen.expire (at 59) seen))
    Assert.Equal(0, Seen.count (Seen.expire (at 120) seen))
