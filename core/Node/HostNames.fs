/// What addresses are called, in log lines and dumps (Hostnames; spec 02 §16). Names are looked up on the side: until one
/// comes the address is shown.
module TincPure.Node.HostNames

open System
open TincPure.Primitives

/// No name in the DNS is longer.
let private maxLength = 253

/// Whoever owns an address may call it what he likes: only what a host name may be made of is shown.
let private isPlain (name: string) =
    name.Length > 0
    && name.Length <= maxLength
    && name |> Seq.forall (fun c -> Char.IsAsciiLetterOrDigit c || c = '-' || c = '.' || c = '_')

/// The address is going to be shown: its name is worth knowing.
let wanted (turn: Turn) (ip: Ip) : unit =
    if turn.Node.Settings.Hostnames && not (turn.Node.HostNames.ContainsKey ip) then
        let known =
            if turn.Node.HostNames.Count >= Bounds.hostNames then
                Map.empty
            else
                turn.Node.HostNames

        turn.Node <- { turn.Node with HostNames = known.Add(ip, ValueNone) }
        turn.Emit(LookUpName ip)

let private nameOf (turn: Turn) (ip: Ip) : string voption =
    match turn.Node.HostNames.TryGetValue ip with
    | true, name -> name
    | _ -> ValueNone

/// The name of a connection's other end, if it is known already.
let ofRemote (turn: Turn) (remote: Remote) : string voption =
    match remote with
    | Tcp endpoint ->
        wanted turn endpoint.Ip
        nameOf turn endpoint.Ip
    | UnixSocket -> ValueNone

let private renameConnections (turn: Turn) =
    for KeyValue(_, connection) in turn.Node.Connections do
        let name = ofRemote turn connection.Remote

        if name <> connection.RemoteName then
            turn.SetConnection { connection with RemoteName = name }

/// Labels of peers in the forwarding table follow.
let private renamePeers (turn: Turn) =
    for index in 0 .. Vector.length turn.Node.Peers - 1 do
        match (turn.Peer index).Address with
        | Inet endpoint ->
            wanted turn endpoint.Ip
            turn.SetPeer(turn.Peer index)
        | _ -> ()

/// A look-up has ended.
let found (turn: Turn) (ip: Ip) (name: string voption) : unit =
    match name with
    | ValueSome name when isPlain name && turn.Node.HostNames.ContainsKey ip ->
        turn.Node <-
            { turn.Node with
                HostNames = turn.Node.HostNames.Add(ip, ValueSome name)
                FibDirty = true }

        renameConnections turn

        for index in 0 .. Vector.length turn.Node.Peers - 1 do
            match (turn.Peer index).Address with
            | Inet endpoint when endpoint.Ip = ip -> turn.SetPeer(turn.Peer index)
            | _ -> ()
    | _ -> ()

/// Hostnames was switched on or off.
let switched (turn: Turn) : unit =
    turn.Node <- { turn.Node with HostNames = Map.empty; FibDirty = true }
    renameConnections turn
    renamePeers turn
