/// Every routed packet of the vectors (spec 04 §7 to §13): who gets what, byte for byte, and what is logged.
module TincPure.Core.Tests.RouteVectorTests

open System
open System.Text.Json
open TincPure.Config
open TincPure.Core.Tests.ForwardFixture
open TincPure.Packet
open TincPure.Primitives
open TincPure.Routing
open TincPure.Topology
open Xunit
open Xunit.Abstractions

/// Where we do better than the reference on purpose (spec 04 §17): what happens instead.
type Better =
    /// Nothing is sent.
    | NoAnswer
    /// The MSS is lowered to this.
    | Clamped of mss: int
    /// As in the reference, without its log line.
    | NotLogged

let private better =
    Map
        [ "device_to_unknown_is_icmp_error", (NoAnswer, "ICMP errors are not answered with ICMP errors (spec 04 §8)")
          "expired_icmp_time_exceeded", (NoAnswer, "ICMP errors are not answered with ICMP errors (spec 04 §10)")
          "ns_duplicate_address_detection", (NoAnswer, "duplicate address detection is left alone (spec 04 §12)")
          "no_clamp_nops_first", (Clamped 1346, "the MSS option is found behind others (spec 04 §11)")
          "no_clamp_after_window_scale", (Clamped 1346, "the MSS option is found behind others (spec 04 §11)")
          "short_icmpv6_still_routed", (NotLogged, "a packet that is routed is not called too short")
          "no_loop_check_on_via", (NoAnswer, "switch mode checks for routing loops (spec 04 §17)") ]

/// Cases that say something only of legacy transport.
let private later =
    Map [ "priority_kept_minus1", "priority -1 is how the legacy transport remembers TCP: comes with that transport" ]

let private tryGet (name: string) (element: JsonElement) : JsonElement voption =
    match element.TryGetProperty name with
    | true, value -> ValueSome value
    | _ -> ValueNone

let private configured (case: JsonElement) : (string * JsonElement) list =
    match tryGet "config" case with
    | ValueSome config -> [ for property in config.EnumerateObject() -> property.Name, property.Value ]
    | ValueNone -> []

let private settingsOf (case: JsonElement) : FibSettings =
    let text (value: JsonElement) = string (value.GetString())

    let change (settings: FibSettings) (name, value: JsonElement) =
        match name with
        | "mode" -> { settings with Mode = if text value = "switch" then Mode.Switch else Mode.Hub }
        | "forwarding" ->
            { settings with
                Forwarding = if text value = "off" then Forwarding.Off else Forwarding.Kernel }
        | "direct_only" -> { settings with DirectOnly = true }
        | "decrement_ttl" -> { settings with DecrementTtl = true }
        | "priority_inheritance" -> { settings with PriorityInheritance = true }
        | "overwrite_mac" -> { settings with OverwriteMac = true }
        | _ -> failwith ("unknown setting " + name)

    List.fold change { settings with DebugLevel = DebugLevel.traffic } (configured case)

let private names = [ "me"; "peer"; "other"; "far"; "behind"; "down" ]
let private indexOf (name: string) = List.findIndex ((=) name) names

/// A node of the base, as the case overrides it. All are neighbours without sessions, so that whatever is sent to a node
/// comes out as a whole frame for it.
let private node (root: JsonElement) (case: JsonElement) (index: int) (text: string) : Peer =
    let basis =
        if text = "me" then
            root.GetProperty("base").GetProperty "me"
        else
            root.GetProperty("base").GetProperty("nodes").GetProperty text

    let overrides =
        match tryGet "nodes" case with
        | ValueSome nodes -> tryGet text nodes
        | ValueNone -> ValueNone

    let value (name: string) (ifMissing: JsonElement -> 'a) (read: JsonElement -> 'a) : 'a =
        match overrides |> ValueOption.bind (tryGet name) with
        | ValueSome element -> read element
        | ValueNone ->
            match tryGet name basis with
            | ValueSome element -> read element
            | ValueNone -> ifMissing basis

    let numeric name = value name (fun _ -> index) _.GetInt32()
    let nodeNumber name = value name (fun _ -> index) (fun e -> indexOf (string (e.GetString())))

    { peer index text with
        Label = (if text = "me" then "me (MYSELF port 655)" else text + " (192.0.2.1 port 655)")
        Mtu = numeric "mtu"
        Options = uint32 (numeric "options")
        Reachable = value "reachable" (fun _ -> 1) _.GetInt32() = 1
        NextHop = nodeNumber "nexthop"
        Via = nodeNumber "via" }

let private fibOf (root: JsonElement) (case: JsonElement) : Fib =
    let peers = names |> List.mapi (node root case)

    let subnets =
        [ for entry in root.GetProperty("base").GetProperty("subnets").EnumerateArray() do
              let owner = string (entry[0].GetString())
              ownedBy (if owner = "-" then -1 else indexOf owner) owner (string (entry[1].GetString())) ]

    { fib 0 peers subnets { settingsOf case with OwnOptions = peers[0].Options } with
        TreeNeighbours = [ indexOf "peer"; indexOf "other" ] }

/// Who gets what. Broadcasts are given as what becomes of them.
type private Handed = { To: string; Bytes: string }

let private expected (case: JsonElement) : Handed list =
    [ for out in Vectors.items "out" case do
          match tryGet "to" out, tryGet "broadcast_from" out with
          | ValueSome target, _ ->
              if string (target.GetString()) <> "down" then
                  { To = string (target.GetString()); Bytes = Vectors.text "frame" out }
          | _, ValueSome source ->
              for target in [ "me"; "peer"; "other" ] do
                  if target <> string (source.GetString()) then
                      { To = target; Bytes = Vectors.text "frame" out }
          | _ -> () ]

/// Device first, as the outbox keeps it apart from what goes over TCP.
let private inOrder (handed: Handed list) =
    List.filter (fun h -> h.To = "me") handed @ List.filter (fun h -> h.To <> "me") handed

let private handed (outcome: Outcome) : Handed list =
    [ for frame in outcome.Frames do
          { To = "me"; Bytes = Convert.ToHexStringLower frame }
      for punt in outcome.Punts do
          match punt with
          | FrameOverTcp(target, frame) -> { To = names[target]; Bytes = Convert.ToHexStringLower frame }
          | _ -> () ]

/// Lines of the hand-over, which the vectors leave out.
let private isHandOver (text: string) =
    text.StartsWith "Sending packet of "
    || text.StartsWith "Received packet of "
    || text.StartsWith "Read packet of "
    || text.StartsWith "Writing packet of "
    || text.StartsWith "Node "
    || text.StartsWith "Broadcasting packet of "

let private logged (outcome: Outcome) =
    [ for punt in outcome.Punts do
          match punt with
          | PacketLog line when not (isHandOver line.Text) -> line.Level, line.Priority, line.Text
          | _ -> () ]

let private expectedLog (case: JsonElement) =
    let priority (text: string) =
        match text with
        | "err" -> Priority.Error
        | "warning" -> Priority.Warning
        | "info" -> Priority.Info
        | other -> failwith ("unknown priority " + other)

    [ for line in Vectors.items "log" case do
          let text = string (line[2].GetString())

          // Learning is the control plane's to log.
          if not (text.StartsWith "Learned new MAC address") then
              line[0].GetInt32(), priority (string (line[1].GetString())), text ]

let private send (forwarder: Forwarder) (outbox: Outbox) (source: int) (frame: byte array) : Outcome =
    let outcome =
        if source = 0 then
            fromDevice forwarder outbox (at 0) frame
        else
            apply forwarder outbox (at 0) (RouteFrame(source, frame))

    // The host of the vectors has no route, so the original destination is where the time exceeded message comes from.
    let expired =
        outcome.Punts
        |> List.tryPick (function
            | TimeExceeded(from, quoted, _) -> Some(from, quoted)
            | _ -> None)

    match expired with
    | None -> outcome
    | Some(from, quoted) ->
        let offset = Ethernet.payloadOffset (Span quoted)

        let destination =
            if Ethernet.payloadType (Span quoted) offset = Ethernet.ipv4 then
                Ip.v4 (IpV4.destination (Span(quoted, offset, quoted.Length - offset)))
            else
                IpV6.destination (Span(quoted, offset, quoted.Length - offset))

        let answer = apply forwarder outbox (at 0) (SendTimeExceeded(from, quoted, destination))

        { outcome with
            Frames = outcome.Frames @ answer.Frames
            Punts = outcome.Punts @ answer.Punts }

let private mssOf (frameHex: string) =
    let frame = Convert.FromHexString frameHex
    let found = Mss.clamp (Span frame) 0x10000
    Assert.Equal(0, found)
    frame

let private check (case: JsonElement) (name: string) (outcome: Outcome) =
    match Map.tryFind name better with
    | Some(NoAnswer, _) -> Assert.Empty(handed outcome)
    | Some(Clamped mss, _) ->
        match handed outcome, expected case with
        | [ ours ], [ theirs ] ->
            Assert.Equal(theirs.To, ours.To)
            Assert.Equal((mssOf theirs.Bytes).Length, ours.Bytes.Length / 2)
            Assert.Contains(
                (5, Priority.Info, "Clamping MSS of packet from me to peer to " + string mss),
                logged outcome
            )
        | other -> failwith (name + ": " + string other)
    | Some(NotLogged, _) ->
        Assert.Equal<Handed list>(inOrder (expected case), handed outcome)
        Assert.Empty(logged outcome)
    | None ->
        Assert.Equal<Handed list>(inOrder (expected case), handed outcome)
        Assert.Equal<(int * Priority * string) list>(expectedLog case, logged outcome)

        match tryGet "config" case |> ValueOption.bind (tryGet "priority_inheritance"), Vectors.items "out" case with
        | ValueSome _, [ out ] ->
            let frame = Vectors.bytes "frame" out
            Assert.Equal(Vectors.number "priority" out, int (Decision.priority (Span frame)))
        | _ -> ()

type VectorTests(output: ITestOutputHelper) =

    [<Theory>]
    [<InlineData("04-route-ipv4.json", 44)>]
    [<InlineData("04-route-ipv6.json", 19)>]
    [<InlineData("04-route-ttl.json", 24)>]
    [<InlineData("04-route-mtu.json", 32)>]
    [<InlineData("04-route-mss.json", 25)>]
    [<InlineData("04-route-arp-ndp.json", 26)>]
    [<InlineData("04-route-switch-hub.json", 18)>]
    member _.``packets are routed as the vectors say``(file: string, count: int) =
        let root = Vectors.load file
        let cases = Vectors.items "cases" root
        Assert.Equal(count, cases.Length)

        for case in cases do
            let name = Vectors.text "name" case

            match Map.tryFind name later, Map.tryFind name better with
            | Some reason, _ -> output.WriteLine("left out: " + name + ": " + reason)
            | None, known ->
                known |> Option.iter (fun (_, reason) -> output.WriteLine("better: " + name + ": " + reason))

                let forwarder = Forwarder()
                let outbox = Outbox()
                apply forwarder outbox (at 0) (Publish(fibOf root case)) |> ignore
                let source = indexOf (Vectors.text "source" case)

                let packets =
                    match tryGet "packets" case with
                    | ValueSome packets -> List.ofSeq (packets.EnumerateArray())
                    | ValueNone -> [ case ]

                try
                    for packet in packets do
                        send forwarder outbox source (Vectors.bytes "frame" packet) |> check packet name
                with error ->
                    raise (Exception(file + " " + name, error))
