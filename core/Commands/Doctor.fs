/// `tinc doctor`: what users trip over, each finding with its cause and a remedy.
module TincPure.Commands.Doctor

open System
open System.Globalization
open TincPure.Primitives
open TincPure.Topology
open TincPure.Config
open TincPure.Commands.DoctorFacts

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

/// Host files whose names only upper and lower case tell apart.
let private nameClashes (facts: Facts) : Finding list =
    Files.hostNames facts.Files.Snapshot
    |> List.map _.Text
    |> List.append [ facts.Files.Own.Text ]
    |> List.distinct
    |> List.groupBy _.ToLowerInvariant()
    |> List.filter (fun (_, names) -> names.Length > 1)
    |> List.map (fun (_, names) ->
        problem
            ("The host files " + String.Join(" and ", names) + " differ only in the case of their names.")
            "tinc tells such nodes apart, but some file systems and people do not; one of them may be a slip of the pen"
            "remove the one that is not meant, or rename its node")

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

/// Networks that two host files give to their nodes, and a router that has none.
let private subnetClaims (facts: Facts) : Finding list =
    let subnets (host: NodeName) =
        ConfigTable.all "Subnet" (hostTable facts.Files host)
        |> List.choose (fun entry ->
            match Subnet.tryParse (entry.Value.Trim()) with
            | Ok subnet -> Some(Subnet.toText subnet, host.Text)
            | Error _ -> None)
        |> List.distinct

    let twice =
        Files.hostNames facts.Files.Snapshot
        |> List.collect subnets
        |> List.groupBy fst
        |> List.filter (fun (_, claims) -> claims.Length > 1)
        |> List.map (fun (subnet, claims) ->
            problem
                ("Subnet "
                 + subnet
                 + " stands in the host files of "
                 + String.Join(" and ", List.map snd claims)
                 + ".")
                "two nodes shall not have one network with one weight: packets go to either"
                "remove it from one of them, or give it another weight (SUBNET#WEIGHT)")

    let routes =
        match value "Mode" (serverTable facts.Files) with
        | ValueSome mode -> ByteText.same mode "router"
        | ValueNone -> true

    twice
    @ [ if routes && (subnets facts.Files.Own).IsEmpty then
            hint
                "This node has no Subnet."
                "in router mode packets go to the node that has their destination as a Subnet: nobody can send to this one"
                ("run `" + facts.Files.Command + " add Subnet NETWORK', unless it only relays for others") ]

/// Nodes that are to be called and cannot be.
let private callable (facts: Facts) : Finding list =
    let hosts = Files.hostNames facts.Files.Snapshot |> Set.ofList

    [ for name in connectTo facts.Files do
          if not (hosts.Contains name) then
              problem
                  ("ConnectTo names " + name.Text + ", of which there is no host file.")
                  "the host file was not handed over, or the name is mistyped (case matters)"
                  ("put hosts/"
                   + name.Text
                   + " there, or run `"
                   + facts.Files.Command
                   + " del ConnectTo "
                   + name.Text
                   + "'")
          elif (addresses facts.Files name).IsEmpty then
              problem
                  ("ConnectTo names " + name.Text + ", whose host file has no Address.")
                  "nobody knows where to call it"
                  ("run `" + facts.Files.Command + " add " + name.Text + ".Address WHERE', or let it call us") ]

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
    [ "roll back protocol version",
      "the other node has ExperimentalProtocol off, or is older than when it gave us its Ed25519 key",
      "set ExperimentalProtocol alike on both; else remove Ed25519PublicKey from the host file of that node"
      "rolled back protocol version",
      "the other node has ExperimentalProtocol off, or is older than when it gave us its Ed25519 key",
      "set ExperimentalProtocol alike on both; else remove Ed25519PublicKey from the host file of that node"
      "Got REQ_KEY while we already started",
      "both sides began a session at once; stock tinc then waits 10 s",
      "nothing if it passes; if it repeats, look for a clock or version mismatch between the two nodes"
      "Handshake phase not finished yet",
      "one side speaks the new protocol and the other the old one, or a version number was refused",
      "set ExperimentalProtocol alike on both nodes, and let both run 1.1"
      "node with same Name as us",
      "another machine runs with the same Name, and the two contradict each other",
      "give each a Name of its own, and keys of its own if files were copied"
      "invalid name",
      "who called has our own Name, or one with other characters than letters, digits and _",
      "give it a Name of its own" ]

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
    |> List.append
        [ if facts.Uncalled > 0 then
              hint
                  (facts.Uncalled.ToString() + " more addresses were not tried.")
                  "there are too many of them in the host files"
                  "try them with ping or another program if a node is not reached" ]

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

/// Everything, problems first.
let examine (facts: Facts) : Finding list =
    let ofPicture =
        match facts.Picture with
        | ValueSome picture -> DoctorMesh.examine facts.Links picture
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
          nameClashes facts
          keyClashes facts
          subnetClaims facts
          callable facts
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
