/// Which scripts run when, and what they are told (spec 04 §4.3, §6.5; spec 05 §8.1).
module TincPure.Node.Scripts

open TincPure.Primitives
open TincPure.Topology

/// The variables that every script gets, in order.
let private common (node: Node) : (string * string) list =
    [ match node.Settings.NetName with
      | ValueSome name -> "NETNAME", name
      | ValueNone -> ()
      "NAME", node.Own.Text
      match node.Launch.Device with
      | ValueSome device -> "DEVICE", device
      | ValueNone -> ()
      match node.Launch.Interface with
      | ValueSome name -> "INTERFACE", name
      | ValueNone -> ()
      if node.DebugLevel >= 0 then
          "DEBUG", node.DebugLevel.ToString() ]

let private run (turn: Turn) (name: string) (extra: (string * string) list) =
    if not turn.Node.Confined then
        turn.Emit(RunScript { Name = name; Environment = common turn.Node @ extra })

let private remote (peer: PeerState) =
    let struct (address, port) = Address.toWire peer.Address
    [ "REMOTEADDRESS", address; "REMOTEPORT", port ]

/// `tinc-up` and `tinc-down`.
let device (turn: Turn) (up: bool) : unit = run turn (if up then "tinc-up" else "tinc-down") []

/// `host-up`, then `hosts/NAME-up`, or their counterparts.
let host (turn: Turn) (peer: PeerState) (up: bool) : unit =
    let suffix = if up then "-up" else "-down"
    let environment = ("NODE", peer.Name.Text) :: remote peer
    run turn ("host" + suffix) environment
    run turn ("hosts/" + peer.Name.Text + suffix) environment

/// `subnet-up` or `subnet-down` for one subnet. The default weight is told as an empty text.
let subnet (turn: Turn) (peer: PeerState) (subnet: Subnet) (up: bool) : unit =
    let weight = Subnet.weight subnet

    run
        turn
        (if up then "subnet-up" else "subnet-down")
        [ "NODE", peer.Name.Text
          if peer.Index <> 0 then
              yield! remote peer
          "SUBNET", Subnet.netText subnet
          "WEIGHT", (if weight = Subnet.defaultWeight then "" else weight.ToString()) ]

/// `invitation-accepted`: a node that was invited has told its key.
let invitationAccepted (turn: Turn) (name: NodeName) (remote: Endpoint) : unit =
    run turn "invitation-accepted" [ "NODE", name.Text; "REMOTEADDRESS", Ip.toText remote.Ip ]

/// What a proxy command is told (spec 02 §17).
let proxyEnvironment (node: Node) (target: Endpoint) : (string * string) list =
    [ "REMOTEADDRESS", Ip.toText target.Ip
      "REMOTEPORT", target.Port.ToString()
      "NAME", node.Own.Text
      match node.Settings.NetName with
      | ValueSome name -> "NETNAME", name
      | ValueNone -> () ]
