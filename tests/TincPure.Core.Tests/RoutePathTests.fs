/// The way that a datagram takes (spec 03 §7.3).
module TincPure.Core.Tests.RoutePathTests

open TincPure.Primitives
open TincPure.Routing
open TincPure.Routing.PathChoice
open Xunit

let private names = [ "self"; "bob"; "carol"; "dave"; "eve" ]
let private indexOf name = List.findIndex ((=) name) names
let private self, dave = indexOf "self", indexOf "dave"

[<Fact>]
let ``datagrams take the way of the vectors`` () =
    let rows = Vectors.items "rows" (Vectors.load "03-sptps-path-choice.json")
    Assert.Equal(864, rows.Length)

    for row in rows do
        let text i = string (row[i].GetString())
        let number i = row[i].GetInt32()
        let minor, tcpOnly, payload = number 3, number 4, number 7

        let flags enabled = Options.withMinor minor (if enabled then Options.tcpOnly else 0u)

        let via, nextHop =
            match text 0 with
            | "neighbour" -> dave, dave
            | "distant" -> dave, indexOf "bob"
            | "static-relay" -> indexOf "carol", indexOf "bob"
            | "own-indirect" -> self, indexOf "bob"
            | other -> failwith ("unknown topology " + other)

        let content =
            match number 2 with
            | 0 -> Data
            | 4 -> Probe
            | 128 -> Handshake
            | other -> failwith ("unknown kind " + string other)

        let viaHop =
            if via = self then
                ValueNone
            else
                ValueSome { Node = via; Options = flags (tcpOnly = 1); MinMtu = number 5 }

        // Where both are the same node it has one MTU: the reference's model sets the next hop's last.
        let nextHopMinMtu = number 6

        let viaHop =
            match viaHop with
            | ValueSome hop when hop.Node = nextHop -> ValueSome { hop with MinMtu = nextHopMinMtu }
            | other -> other

        let path =
            choose
                content
                (text 1 = "self")
                payload
                dave
                (flags (tcpOnly = 2))
                viaHop
                { Node = nextHop; Options = flags (tcpOnly = 1); MinMtu = nextHopMinMtu }

        let said =
            match path with
            | Udp(relay, NoIds) -> "udp to " + names[relay] + ", dst id none"
            | Udp(relay, Direct) -> "udp to " + names[relay] + ", dst id zero"
            | Udp(relay, Relayed) -> "udp to " + names[relay] + ", dst id dave"
            | Tcp RawTcp -> "sptps_packet via " + names[nextHop]
            | Tcp KeyRequest -> "req_key via " + names[nextHop]
            | Tcp KeyAnswer -> "ans_key via " + names[nextHop]

        Assert.True((text 8 = said), row.ToString() + " gave " + said)
