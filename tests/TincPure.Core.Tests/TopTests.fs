/// The table of `tinc top`, and the formats of `--json` and `pcap` (spec 06 §8).
module TincPure.Core.Tests.TopTests

open System
open System.Text.Json
open FsCheck
open FsCheck.FSharp
open TincPure.Commands
open TincPure.Commands.Top
open Xunit

let private sample name inPackets inBytes outPackets outBytes : Sample =
    { Name = name
      Counters =
        { InPackets = inPackets
          InBytes = inBytes
          OutPackets = outPackets
          OutBytes = outBytes } }

let private pressed (keys: string) (state: State) : State =
    Seq.fold
        (fun state key ->
            match press key state with
            | ValueSome state -> state
            | ValueNone -> failwith "left")
        state
        keys

let private texts (state: State) = picture "net" 50 200 state |> List.map (fun (struct (_, text)) -> text)

let private rows (state: State) = texts state |> List.skip 3 |> List.map (fun line -> line.Split(' ')[0])

let private measured =
    start
    |> poll 1.0 [ sample "b" 10UL 1000UL 0UL 0UL; sample "a" 0UL 0UL 0UL 0UL; sample "c" 5UL 100UL 1UL 9000UL ]
    |> poll 2.0 [ sample "b" 20UL 3000UL 0UL 0UL; sample "a" 0UL 0UL 0UL 0UL; sample "c" 5UL 100UL 3UL 19000UL ]

[<Fact>]
let ``the picture has stock's columns`` () =
    Assert.Equal<string list>(
        [ "Tinc net               Nodes:    3  Sort: name        Current"
          ""
          "Node                IN pkts   IN bytes   OUT pkts  OUT bytes"
          "a                         0          0          0          0"
          "b                         5       1000          0          0"
          "c                         0          0          1       5000" ],
        texts measured
    )

[<Fact>]
let ``keys choose order, totals and units`` () =
    Assert.Equal<string list>([ "c"; "b"; "a" ], rows (pressed "t" measured))
    Assert.Equal<string list>([ "b"; "a"; "c" ], rows (pressed "I" measured))
    Assert.Equal<string list>([ "c"; "a"; "b" ], rows (pressed "o" measured))
    Assert.Equal<string list>([ "b"; "c"; "a" ], rows (pressed "cT" measured))
    let cumulative = texts (pressed "ck" measured)
    Assert.EndsWith("Cumulative", cumulative[0])
    Assert.Equal("Node                IN pkts   IN kbyte   OUT pkts  OUT kbyte", cumulative[2])
    Assert.Equal("c                         5          0          3         19", cumulative[5])

[<Fact>]
let ``the delay is asked for in the second line`` () =
    let asked = pressed "s2.x" measured
    Assert.Equal("Change delay from 1.0s to: 2.x", texts asked |> List.item 1)
    Assert.Equal((texts asked |> List.item 1).Length, promptLength asked)
    Assert.Equal(1.0, (pressed "\r" asked).Delay)
    Assert.Equal(2.5, (pressed "\u007f5\r" asked).Delay)
    Assert.Equal(0.1, (pressed "s0.001\r" measured).Delay)
    Assert.Equal(1.0, (pressed "s9\u001b" measured).Delay)
    Assert.Equal(ValueNone, press 'q' measured |> ValueOption.map ignore)
    Assert.NotEqual(ValueNone, press 'q' (pressed "s" measured) |> ValueOption.map ignore)

[<Fact>]
let ``a node that has gone stays in the picture, dimmed`` () =
    let later = poll 1.0 [ sample "b" 20UL 3000UL 0UL 0UL ] measured
    Assert.Equal<string list>([ "a"; "b"; "c" ], rows later)

    let styles = picture "" 50 200 later |> List.skip 3 |> List.map (fun (struct (style, _)) -> style)
    Assert.Equal<Style list>([ Dim; Plain; Dim ], styles)

    let busy = picture "" 50 200 measured |> List.skip 3 |> List.map (fun (struct (style, _)) -> style)
    Assert.Equal<Style list>([ Plain; Bold; Bold ], busy)

[<Fact>]
let ``any size and any keys give a picture that fits`` () =
    let size = Gen.choose (0, 80)
    let keys =
        Gen.listOf (Gen.elements (List.ofSeq "cnsiIoOtTbkMG1.\r\u001b"))
        |> Gen.map (fun keys -> String(List.toArray keys))

    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (Gen.zip3 size size keys)) (fun (height, width, keys) ->
            let lines = picture "net" height width (pressed keys measured)
            lines.Length <= height && lines |> List.forall (fun (struct (_, text)) -> text.Length <= width))
    )

[<Fact>]
let ``what is printed as JSON is read again as it was`` () =
    let text =
        Gen.listOf (Gen.elements (List.ofSeq "a\"\\\n\t\u0001é\u00ff{}"))
        |> Gen.map (fun cs -> String(List.toArray cs))

    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (Gen.zip text (Gen.choose (Int32.MinValue, Int32.MaxValue)))) (fun (text, number) ->
            let json =
                Json.Object
                    [ "text", Json.Text(TincPure.Config.ByteText.encode text)
                      "list", Json.List [ Json.Number(int64 number); Json.Bool true; Json.Null; Json.Real 1.5 ] ]

            use parsed = JsonDocument.Parse(Json.print json)
            let list = parsed.RootElement.GetProperty "list"

            parsed.RootElement.GetProperty("text").GetString() = text
            && list[0].GetInt32() = number
            && list[1].GetBoolean()
            && list[2].ValueKind = JsonValueKind.Null
            && list[3].GetDouble() = 1.5)
    )

[<Fact>]
let ``a pcap stream begins as tcpdump expects`` () =
    let header = Pcap.fileHeader 0
    Assert.Equal(24, header.Length)
    Assert.Equal(0xa1b2c3d4u, BitConverter.ToUInt32(header, 0))
    Assert.Equal(9018, BitConverter.ToInt32(header, 16))
    Assert.Equal(96, BitConverter.ToInt32(Pcap.fileHeader 96, 16))
    let packet = Pcap.packetHeader 1_700_000_000_000_042L 60
    Assert.Equal<int list>([ 1_700_000_000; 42; 60; 60 ], [ for at in 0..4..12 -> BitConverter.ToInt32(packet, at) ])

[<Fact>]
let ``a pcap stream is the recorded one, byte for byte`` () =
    let run =
        Vectors.items "runs" (Vectors.load "06-cli-daemon.json")
        |> Seq.find (fun run -> run.GetProperty("args").GetRawText().Contains "pcap")

    let recorded = Vectors.bytes "stdout_hex" run
    let at offset = int64 (BitConverter.ToUInt32(recorded, offset))
    let packet = recorded[40..]

    Assert.Equal<byte>(
        recorded,
        Array.concat [ Pcap.fileHeader 64; Pcap.packetHeader (at 24 * 1_000_000L + at 28) packet.Length; packet ]
    )
