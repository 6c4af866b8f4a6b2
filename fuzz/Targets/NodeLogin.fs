/// Somebody who is not a neighbour yet, or the control program: bytes on new connections.
module TincPure.Fuzz.NodeLogin

open System
open System.Text
open TincPure.Topology
open TincPure.Node

let private world = lazy (Neighbourhood.alone Variant.Plain)

let private cookie = String('A', 64)

let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input
    let world = world.Value.Fork()
    let before = world.Node
    let mutable exits = false

    world.OnEffect <-
        fun effect ->
            match effect with
            | Log line -> behaviour.SawText line.Text
            | Send(_, bytes) -> behaviour.Saw("send", bytes.Length)
            | Tarpit _ -> behaviour.Saw "tarpit"
            | Close _ -> behaviour.Saw "close"
            | ReadConfiguration -> behaviour.Saw "reload"
            | Exit _ -> exits <- true
            | _ -> ()

    let isControl = tape.Flag()
    let sizes = tape.Block()
    let stream = tape.Rest()
    let id = ConnectionId.Incoming 1
    let remote = if isControl then UnixSocket else Tcp(Neighbourhood.endpoint 0xc0000207u)
    world.Feed(Accepted(id, ValueNone, remote))

    for portion in MetaFraming.portions sizes stream do
        world.Feed(Received(id, portion))

    world.Wait 3_000_000L
    world.Feed(Lost(id, ValueNone))
    world.Wait 20_000_000L
    let node = world.Node
    let knowsCookie = Encoding.Latin1.GetString(stream).Contains cookie
    Target.check (not exits || knowsCookie) "a stranger ends the daemon"
    Target.check (node.Established.IsEmpty && node.Connections.IsEmpty) "a stranger stays"
    Target.check (node.Peers.Count = before.Peers.Count) "a stranger adds nodes"
    Target.check (node.EdgeCount = 0) "a stranger adds edges"
    let own = Topology.subnetsOf Topology.self node.Topology
    Target.check (own = Set.ofList Neighbourhood.ownSubnets) "a stranger changes our subnets"

let private seeds () =
    let tcp (bytes: byte[]) = Array.append [| 0uy; 1uy; 9uy |] bytes
    let control (text: string) = Array.append [| 1uy; 1uy; 200uy |] (Encoding.Latin1.GetBytes text)

    List.map tcp (Corpus.bytes "02-meta-lines-preauth.json" [ "send_text" ])
    @ List.map tcp (Corpus.hex "01-sptps-errors.json" [ "data" ] |> List.map (Array.append "0 fake 17.7\n"B))
    @ [ for text in Corpus.texts "06-control-protocol.json" [ "send" ] do
            control ("0 ^" + cookie + " 0\n" + text.Replace("{{COOKIE}}", cookie)) ]

let target =
    { Target.create "node-login" "nobody becomes a neighbour without a key; strangers leave nothing behind" seeds run with
        Words =
            "0 ^" + cookie + " 0\n"
            :: "18 "
            :: "18 3\n"
            :: "18 15 5\n"
            :: "18 9 "
            :: "18 12 "
            :: MetaLines.words }
