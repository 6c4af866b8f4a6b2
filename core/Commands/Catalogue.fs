/// The commands of `tinc` (spec 06 §2): what tree, usage, completion and suggestions are made from.
module TincPure.Commands.Catalogue

open System
open System.Collections.Generic

/// What the words behind a command stand for: what completion offers.
type Words =
    | Nothing
    /// One of these.
    | OneOf of string list
    /// A variable, perhaps behind `NODE.`.
    | VariableName
    /// A node, a subnet or an address.
    | NodeOrSubnet
    | Node
    | File
    | Network

/// An option of one command. Stock has none of these.
type Switch =
    {
        Name: string
        /// What its value is called; none if it takes none.
        Value: string voption
        Summary: string
    }

type Command =
    {
        Name: string
        /// Another name for the same.
        Synonym: string voption
        /// The words behind it, for its help.
        Usage: string
        Words: Words
        Summary: string
        Switches: Switch list
        /// Lines that its help ends with.
        Details: string list
        /// Neither completed nor suggested.
        Hidden: bool
    }

let private switch name summary : Switch = { Name = name; Value = ValueNone; Summary = summary }

let private json = switch "--json" "Print JSON."

let private command name usage words summary =
    { Name = name
      Synonym = ValueNone
      Usage = usage
      Words = words
      Summary = summary
      Switches = []
      Details = []
      Hidden = false }

let private having switches command = { command with Switches = switches }

let private valued name value summary : Switch = { Name = name; Value = ValueSome value; Summary = summary }

let private explained lines command = { command with Details = lines }

let private alsoCalled synonym command = { command with Synonym = ValueSome synonym }

let private hidden command = { command with Hidden = true }

/// In the order of the usage text; what stock does not have comes last.
let all: Command list =
    [ command "init" "[NAME]" Nothing "Create initial configuration files."
      command "get" "[NODE.]VARIABLE" VariableName "Print the values of a variable."
      command "set" "[NODE.]VARIABLE VALUE" VariableName "Give a variable this value."
      command "add" "[NODE.]VARIABLE VALUE" VariableName "Give a variable one more value."
      command "del" "[NODE.]VARIABLE [VALUE]" VariableName "Remove a variable, or only what has this value."
      command "config" "[get|set|add|del] [NODE.]VARIABLE [VALUE]" Nothing "Another way to say get, set, add or del."
      |> hidden
      command "start" "[TINCD-OPTION]..." Nothing "Start tincd."
      command "stop" "" Nothing "Stop tincd."
      command "restart" "[TINCD-OPTION]..." Nothing "Restart tincd."
      command "reload" "" Nothing "Let tincd read its configuration again."
      command "pid" "" Nothing "Print the process id of tincd."
      command "generate-keys" "[BITS]" Nothing "Generate new RSA and Ed25519 key pairs."
      command "generate-rsa-keys" "[BITS]" Nothing "Generate a new RSA key pair."
      command "generate-ed25519-keys" "" Nothing "Generate a new Ed25519 key pair."
      command
          "dump"
          "[reachable] nodes|edges|subnets|connections|graph|digraph|invitations"
          (OneOf [ "reachable"; "nodes"; "edges"; "subnets"; "connections"; "graph"; "digraph"; "invitations" ])
          "Print what tincd knows."
      |> having [ json ]
      |> alsoCalled "list"
      command "info" "NODE|SUBNET|ADDRESS" NodeOrSubnet "Tell about a node, a subnet or an address."
      |> having [ json ]
      command "purge" "" Nothing "Forget unreachable nodes."
      command "debug" "LEVEL" Nothing "Set the debug level of tincd."
      command "retry" "" Nothing "Retry all outgoing connections at once."
      command "connect" "NODE" Node "Connect to a node."
      command "disconnect" "NODE" Node "Close the connection with a node."
      command "top" "" Nothing "Show the traffic of all nodes."
      |> having [ switch "--once" "Print one picture, and leave." ]
      command "pcap" "[SNAPLEN]" Nothing "Print the VPN's packets as a pcap stream."
      command "log" "[LEVEL]" Nothing "Print the messages of tincd as they come."
      command "export" "" Nothing "Print our own host file."
      command "export-all" "" Nothing "Print all host files."
      command "import" "" Nothing "Read host files from standard input."
      command "exchange" "" Nothing "Export, then import."
      command "exchange-all" "" Nothing "Export all, then import."
      command "invite" "NODE" Nothing "Make an invitation for a new node." |> having [ json ]
      command "join" "[URL]" Nothing "Join a network by an invitation."
      command "network" "[NETNAME]" Network "List the networks, or turn to another."
      command "fsck" "" Nothing "Check the configuration; --force repairs it." |> having [ json ]
      command "sign" "[FILE]" File "Sign a file, or standard input."
      command "verify" "NODE|.|* [FILE]" Node "Check the signature of a file, or of standard input."
      command "edit" "FILE" File "Edit a file of the configuration."
      command
          "help"
          "[COMMAND|VARIABLE|variables]"
          Nothing
          "Print the usage text, or help about a command or a variable."
      command "version" "" Nothing "Print the version." |> having [ json ]
      command "status" "" Nothing "Tell in one line each how the other nodes are."
      |> having [ json; switch "--watch" "Again and again." ]
      |> explained
          [ "STATE    up: reachable; down: not."
            "HOW      direct UDP; via NODE: a relay passes packets on; TCP: over the meta connection; TCP via NODE."
            "RTT      round trip in milliseconds, by UDP; over the meta connection where UDP is not used."
            "LOSS     of the last 32 UDP pings. A stock tincd does not tell."
            "PMTU     bytes of the largest frame that gets through by UDP."
            "KEY      age of the key that encrypts to the node. A stock tincd does not tell."
            "RX, TX   bytes from the node and to it."
            "VERSION  1.0 or 1.1, and the protocol version from which that follows: no tinc tells others which program it is."
            "SINCE    the time since it went up or down."
            "ADDRESS  where its datagrams go to and come from."
            "Below, what came in and was dropped, if anything was, by cause. A stock tincd does not tell." ]
      command "ping" "NODE" Node "Measure the way to a node, leg by leg."
      |> having
          [ valued "-c" "COUNT" "Stop after so many rounds."
            valued "-i" "SECONDS" "Time between two rounds (1)."
            json ]
      |> explained
          [ "meta     over meta connections to the node and back."
            "hop      over meta connections to a node on the way and back."
            "udp      by UDP to the node and back."
            "relay    by UDP to the node that passes on our datagrams for it; what lies beyond answers no probe."
            "Exit code 0 if the node answered, by meta connections or UDP. It takes a tincd of TincPure here; the others may be any." ]
      command "why" "ADDRESS" NodeOrSubnet "Explain where packets to an address go." |> having [ json ]
      command "events" "" Nothing "Print a line for each change of the network's state."
      |> having [ json ]
      |> explained
          [ "A tincd of TincPure tells of changes as they happen; a stock one is asked once a second, so that what lasts shorter is missed."
            "events-missed count=N stands for N changes that were left out because nobody read on."
            "Kinds: node-new, node-gone, node-up, node-down, route-changed, address-changed, key-valid, key-changed, key-lost, udp-confirmed,"
            "udp-lost, mtu-changed, edge-added, edge-removed, subnet-added, subnet-removed, connection-opened, connection-closed." ]
      command "doctor" "[LOGFILE]" File "Look for what is usually wrong, in a log file, too."
      |> having [ json ]
      command
          "completion"
          "bash|zsh|fish|powershell"
          (OneOf [ "bash"; "zsh"; "fish"; "powershell" ])
          "Print a script that lets a shell complete command lines."
      command "complete" "[WORD]..." Nothing "Print what may stand in the place of the last word."
      |> hidden ]

// A plain table: the general ones of the language take the JIT several milliseconds at each start.
let private byName =
    let table = Dictionary<string, Command> StringComparer.OrdinalIgnoreCase

    for command in all do
        table[command.Name] <- command

        match command.Synonym with
        | ValueSome synonym -> table[synonym] <- command
        | ValueNone -> ()

    table

/// The command of this name or synonym, whatever the case.
let tryFind (name: string) : Command voption =
    match byName.TryGetValue name with
    | true, command -> ValueSome command
    | _ -> ValueNone

/// Names that may be offered to people.
let names: string list = all |> List.filter (fun command -> not command.Hidden) |> List.map _.Name

/// The words behind a command in one form: its own switches first, each with its value in the same word, then `--`, then
/// everything else as it is, whatever it looks like. `--help` alone asks for the command's help.
let arrange (command: Command) (words: string list) : string list =
    let switchNamed (word: string) =
        command.Switches |> List.tryFind (fun switch -> switch.Name = word && switch.Value.IsNone)

    let valued (word: string) =
        command.Switches
        |> List.tryFind (fun switch ->
            switch.Value.IsSome
            && (word = switch.Name || word.StartsWith(switch.Name + "=", StringComparison.Ordinal)))

    let rec go switches plain words =
        match words with
        | "--" :: rest -> struct (List.rev switches, List.rev plain @ rest)
        | word :: rest when (switchNamed word).IsSome -> go (word :: switches) plain rest
        | word :: rest ->
            match valued word, rest with
            | Some switch, value :: others when word = switch.Name -> go (word + "=" + value :: switches) plain others
            | Some switch, _ when word <> switch.Name -> go (word :: switches) plain rest
            | _ -> go switches (word :: plain) rest
        | [] -> struct (List.rev switches, List.rev plain)

    match words with
    | [ "--help" ] -> words
    | _ when command.Switches.IsEmpty -> "--" :: words
    | _ ->
        let struct (switches, plain) = go [] [] words
        List.distinctBy (fun (switch: string) -> switch.Split('=')[0]) (List.rev switches) @ "--" :: plain
