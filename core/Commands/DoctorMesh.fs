/// The part of `tinc doctor` that looks at what the daemon knows of the mesh.
module TincPure.Commands.DoctorMesh

open System
open TincPure.Primitives
open TincPure.Tunnel
open TincPure.Commands.Dump
open TincPure.Commands.DoctorFacts

/// Subnets that are claimed twice or by nodes that cannot be reached.
let private subnets (picture: Events.Picture) : Finding list =
    let reachable =
        picture.Nodes
        |> List.filter (fun node -> has Status.reachable node.Status)
        |> List.map (fun node -> node.Name)
        |> Set.ofList

    let owned = picture.Subnets |> List.filter (fun owned -> owned.Owner <> "(broadcast)")

    let twice =
        owned
        |> List.groupBy (fun owned -> owned.Subnet)
        |> List.filter (fun (_, owners) -> owners.Length > 1)
        |> List.map (fun (subnet, owners) ->
            problem
                (subnet
                 + " is claimed by "
                 + String.Join(" and ", owners |> List.map (fun owned -> owned.Owner))
                 + ".")
                "two nodes have the same Subnet with the same weight"
                "remove it from one of them, or give it another weight (SUBNET#WEIGHT)")

    let lost =
        owned
        |> List.filter (fun owned -> not (reachable.Contains owned.Owner))
        |> List.map (fun owned ->
            hint
                (owned.Subnet + " belongs to " + owned.Owner + ", which is not reachable.")
                "the node is down, or nobody who is up connects to it"
                ("start " + owned.Owner + ", or look at why it does not connect"))

    twice @ lost

/// Names that only upper and lower case tell apart: some file systems cannot.
let private names (picture: Events.Picture) : Finding list =
    picture.Nodes
    |> List.groupBy (fun node -> node.Name.ToLowerInvariant())
    |> List.filter (fun (_, nodes) -> nodes.Length > 1)
    |> List.map (fun (_, nodes) ->
        problem
            ("The nodes "
             + String.Join(" and ", nodes |> List.map (fun node -> node.Name))
             + " differ only in the case of their names.")
            "somebody mistyped a name, or two machines were given the same one; on some systems they share one host file"
            "rename one of them on its machine (Name in tinc.conf and the file in hosts/), and hand its host file out again")

/// What of the link's MTU is left for a frame.
let private roomFor (node: Node) (link: Link) =
    let overhead = PathMtu.SptpsOverhead(Options.minor node.Options >= MinorVersion.udpRelay)

    PathMtu.ofKernelMtu (node.Host.Contains ':') overhead link.Mtu

/// A path that carries less than our own link: something in between swallows what is larger, and nobody says so.
let private narrow (links: Map<string, Link>) (node: Node) : Finding list =
    let passes, lost = node.Mtu.ToString(), (node.Mtu + 1).ToString()
    let remedy =
        "nothing, as long as ClampMSS and PMTUDiscovery are on; else lower the MTU of the VPN's interface"

    match links.TryFind node.Name with
    // As much as the kernel knows it can carry, or a byte or two below: no hole.
    | Some link when node.Mtu + 2 >= roomFor node link -> []
    | Some link ->
        [ hint
              ("The path to " + node.Name + " has a hole: " + passes + " bytes pass, " + lost + " do not.")
              ("our own link "
               + link.Interface
               + " (MTU "
               + link.Mtu.ToString()
               + ") would carry "
               + (roomFor node link).ToString()
               + "; a link on the way is narrower (PPPoE, another tunnel), and its router does not say so")
              remedy ]
    | None -> []

let private paths (links: Map<string, Link>) (picture: Events.Picture) : Finding list =
    picture.Nodes
    |> List.filter (fun node -> has Status.reachable node.Status && node.Host <> "MYSELF")
    |> List.collect (fun node ->
        [ if node.MinMtu > 0 && node.MinMtu = node.MaxMtu then
              yield! narrow links node
          if has Status.validKey node.Status && node.MinMtu = 0 && node.Via = node.Name then
              hint
                  ("No UDP to " + node.Name + ": its traffic takes TCP.")
                  "a firewall or NAT lets no UDP through, or nothing was sent yet"
                  "open the UDP port on one of the two sides" ])

/// Everything that the daemon's picture shows.
let examine (links: Map<string, Link>) (picture: Events.Picture) : Finding list =
    names picture @ subnets picture @ paths links picture
