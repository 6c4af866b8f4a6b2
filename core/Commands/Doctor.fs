/// `tinc doctor`: what users trip over, each finding with its cause and a remedy.
module TincPure.Commands.Doctor

open System
open System.Globalization
open TincPure.Primitives
open TincPure.Topology
open TincPure.Config
open TincPure.Commands.Dump

type Gravity =
    | Problem
    | Hint

type Finding = { Gravity: Gravity; What: string; Cause: string; Remedy: string }

/// An address of another node that was called.
type Call =
    {
        Node: string
        Address: HostPort
        /// Why it did not answer.
        Failure: string voption
    }

let private serverTable (files: Fsck.Files) =
    let struct (entries, _) = Files.serverEntries files.Snapshot
    ConfigTable.ofEntries entries

let private ownTable (files: Fsck.Files) =
    let struct (server, _) = Files.serverEntries files.Snapshot
    let struct (own, _) = Files.hostEntries files.Snapshot files.Own
    ConfigTable.ofEntries (server @ own)

let private value name table =
    ConfigTable.tryFirst name table |> ValueOption.map (fun (entry: Entry) -> entry.Value.Trim())

/// The daemon will ask the kernel for a TUN or TAP device, where the kernel has such.
let needsTun (files: Fsck.Files) : bool =
    match value "DeviceType" (serverTable files) with
    | ValueSome kind -> ByteText.same kind "tun" || ByteText.same kind "tap"
    | ValueNone -> true

/// The port that the daemon will listen on.
let ownPort (files: Fsck.Files) : string =
    value "Port" (ownTable files) |> ValueOption.defaultValue HostSettings.defaultPort

/// Where the nodes may be called that we are to connect to.
let toCall (files: Fsck.Files) : struct (string * HostPort) list =
    ConfigTable.all "ConnectTo" (serverTable files)
    |> List.choose (fun entry -> NodeName.tryParse (entry.Value.Trim()) |> ValueOption.toOption)
    |> List.distinct
    |> List.collect (fun name ->
        let struct (entries, _) = Files.hostEntries files.Snapshot name
        let table = ConfigTable.ofEntries entries
        let port = value "Port" table |> ValueOption.defaultValue HostSettings.defaultPort

        ConfigTable.all "Address" table
        |> List.choose (fun entry ->
            match entry.Value.Split([| ' '; '\t' |], StringSplitOptions.RemoveEmptyEntries) with
            | [||] -> None
            | [| host |] -> Some(struct (name.Text, { Host = host; Port = port }))
            | words -> Some(struct (name.Text, { Host = words[0]; Port = words[1] }))))

/// What a host found out.
type Facts =
    {
        Files: Fsck.Files
        /// This system has TUN devices, and there is the file to make one with.
        TunNeeded: bool
        TunFile: bool
        /// The kernel has the driver; unknown where it does not tell.
        TunDriver: bool voption
        /// Why the port that we listen on cannot be had, if no daemon of ours has it.
        PortProblem: string voption
        /// Seconds since the epoch: now, and when the newest file of the configuration was written.
        Now: int64
        Newest: int64
        Calls: Call list
        TincUp: Fsck.Script voption
        /// What a running daemon says.
        Picture: Events.Picture voption
        /// The lines of a log file that was given.
        Log: string list
    }

let private problem what cause remedy = { Gravity = Problem; What = what; Cause = cause; Remedy = remedy }

let private hint what cause remedy = { Gravity = Hint; What = what; Cause = cause; Remedy = remedy }

let private device (facts: Facts) : Finding list =
    if not facts.TunNeeded then
        []
    else
        [ if facts.TunDriver = ValueSome false then
              problem
                  "The TUN/TAP driver is not loaded."
                  "the kernel module `tun' is missing or was not loaded"
                  "run `modprobe tun', and have it loaded at every start"
          if not facts.TunFile then
              problem
                  "There is no /dev/net/tun."
                  "the TUN/TAP driver is not loaded, or a container was started without the device"
                  "run `modprobe tun', or give the container the device and the right CAP_NET_ADMIN" ]

let private files (facts: Facts) : Finding list =
    Fsck.check facts.Files
    |> List.choose (fun finding ->
        match finding with
        | Fsck.Say line when
            line.StartsWith("ERROR", StringComparison.Ordinal)
            || line.StartsWith("WARNING", StringComparison.OrdinalIgnoreCase)
            || line.StartsWith("Error", StringComparison.Ordinal)
            ->
            Some(
                problem
                    line
                    "the files of this node are not in order"
                    ("run `" + facts.Files.Command + " --force fsck'")
            )
        | _ -> None)

let private port (facts: Facts) : Finding list =
    [ if ownPort facts.Files = "0" then
          hint
              "Port is 0: the port is another one after each start."
              "nobody can call this node at a known address"
              "set Port to a fixed number if others are to connect to this node"
      match facts.PortProblem with
      | ValueSome reason ->
          problem
              ("The port cannot be opened: " + reason)
              "another program has it, or numbers below 1024 are not allowed to this user"
              "stop the other program, or choose another Port"
      | ValueNone -> () ]

/// Files from the future are tolerated by so many seconds.
let private clockTolerance = 3600L

let private clock (facts: Facts) : Finding list =
    [ if facts.Now + clockTolerance < facts.Newest then
          problem
              "The clock is behind: files of the configuration are from the future."
              "this machine has no battery-backed clock, or has not been given the time yet"
              "set the clock, best by NTP: invitations and signatures depend on it" ]

/// Host files that have the same key.
let private keyClashes (facts: Facts) : Finding list =
    let snapshot = facts.Files.Snapshot

    Files.hostNames snapshot
    |> List.choose (fun host ->
        let struct (entries, _) = Files.hostEntries snapshot host

        match ConfigTable.tryFirst "Ed25519PublicKey" (ConfigTable.ofEntries entries) with
        | ValueSome entry -> Some(entry.Value, host.Text)
        | ValueNone -> None)
    |> List.groupBy fst
    |> List.filter (fun (_, hosts) -> hosts.Length > 1)
    |> List.map (fun (_, hosts) ->
        problem
            ("The nodes " + String.Join(", ", List.map snd hosts) + " have the same public key.")
            "a machine or its files were copied"
            "give every node a name and keys of its own: generate-keys on the copy, then exchange host files")

let private protocol (facts: Facts) : Finding list =
    match value "ExperimentalProtocol" (serverTable facts.Files) with
    | ValueSome text when ByteText.same text "no" ->
        [ hint
              "ExperimentalProtocol is off."
              "nodes that have our Ed25519 key refuse the old protocol ('rolled back protocol version')"
              "remove ExperimentalProtocol from tinc.conf on all nodes" ]
    | _ -> []

/// Words in logs, and what is behind them.
let private knownTroubles: (string * string * string) list =
    [ "rolled back protocol version",
      "the other node has ExperimentalProtocol off, or is older than when it gave us its Ed25519 key",
      "set ExperimentalProtocol alike on both; else remove Ed25519PublicKey from the host file of that node"
      "Got REQ_KEY while we already started",
      "both sides began a session at once; stock tinc then waits 10 s",
      "nothing if it passes; if it repeats, look for a clock or version mismatch between the two nodes"
      "Handshake phase not finished yet",
      "one side speaks the new protocol and the other the old one, or a version number was refused",
      "set ExperimentalProtocol alike on both nodes, and let both run 1.1"
      "same Name as us", "another node has the same Name", "give each node a Name of its own"
      "identical Name", "another node has the same Name", "give each node a Name of its own" ]

let private logs (facts: Facts) : Finding list =
    knownTroubles
    |> List.choose (fun (words, cause, remedy) ->
        let lines =
            facts.Log |> List.filter (fun line -> line.Contains(words, StringComparison.OrdinalIgnoreCase))

        match lines with
        | [] -> None
        | _ ->
            let times = lines.Length.ToString CultureInfo.InvariantCulture
            Some(
                problem
                    ("The log says " + times + " times: " + words + " (last: " + (List.last lines).Trim() + ")")
                    cause
                    remedy
            ))

let private calls (facts: Facts) : Finding list =
    facts.Calls
    |> List.choose (fun call ->
        match call.Failure with
        | ValueSome reason ->
            Some(
                problem
                    (call.Node
                     + " does not answer at "
                     + call.Address.Host
                     + " port "
                     + call.Address.Port
                     + ": "
                     + reason)
                    "its daemon does not run, the Address is out of date, or a firewall is in between"
                    ("check Address and Port in hosts/" + call.Node + ", and that the port is open for TCP and UDP")
            )
        | ValueNone -> None)

let private tincUp (facts: Facts) : Finding list =
    match facts.TincUp with
    | ValueNone ->
        [ hint
              "There is no tinc-up."
              "the interface gets no address unless something else gives it one"
              ("write one: `" + facts.Files.Command + " edit tinc-up'") ]
    | ValueSome { Path = path; Problem = ValueSome reason } ->
        [ problem
              (path + " cannot be run: " + reason)
              "its permissions do not allow it"
              ("run `chmod 755 " + path + "'") ]
    | ValueSome _ -> []

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

/// Whatever carries less than this is worth a word: headers of tinc on a path of 1500 bytes leave more.
let private usualMtu = 1400

let private paths (picture: Events.Picture) : Finding list =
    picture.Nodes
    |> List.filter (fun node -> has Status.reachable node.Status && node.Host <> "MYSELF")
    |> List.collect (fun node ->
        [ if node.MinMtu > 0 && node.MinMtu = node.MaxMtu && node.Mtu < usualMtu then
              let passes, lost = node.Mtu.ToString(), (node.Mtu + 1).ToString()

              hint
                  ("The path to " + node.Name + " is narrow: " + passes + " bytes pass, " + lost + " do not.")
                  "a link with a smaller MTU (PPPoE, another tunnel) and a router that does not tell"
                  "nothing, as long as ClampMSS and PMTUDiscovery are on; else lower the MTU of the interface"
          if has Status.validKey node.Status && node.MinMtu = 0 && node.Via = node.Name then
              hint
                  ("No UDP to " + node.Name + ": its traffic takes TCP.")
                  "a firewall or NAT lets no UDP through, or nothing was sent yet"
                  "open the UDP port on one of the two sides" ])

/// Everything, problems first.
let examine (facts: Facts) : Finding list =
    let ofPicture =
        match facts.Picture with
        | ValueSome picture -> subnets picture @ paths picture
        | ValueNone ->
            [ hint
                  "No daemon runs."
                  "it was not started, or has another pid file"
                  ("start it: `" + facts.Files.Command + " start'") ]

    List.concat
        [ device facts
          files facts
          port facts
          clock facts
          keyClashes facts
          protocol facts
          tincUp facts
          calls facts
          ofPicture
          logs facts ]
    |> List.sortBy (fun finding -> finding.Gravity)

let lines (finding: Finding) : string list =
    [ (if finding.Gravity = Problem then "PROBLEM: " else "hint:    ") + finding.What
      "  cause:  " + finding.Cause
      "  remedy: " + finding.Remedy ]

let json (findings: Finding list) : Json.Json =
    Json.Object
        [ "ok", Json.Bool(findings |> List.forall (fun finding -> finding.Gravity = Hint))
          "findings",
          Json.List(
              findings
              |> List.map (fun finding ->
                  Json.Object
                      [ "gravity", Json.Text(if finding.Gravity = Problem then "problem" else "hint")
                        "what", Json.Text finding.What
                        "cause", Json.Text finding.Cause
                        "remedy", Json.Text finding.Remedy ])
          ) ]
