/// What `tinc doctor` looks at, and what its findings are made of.
module TincPure.Commands.DoctorFacts

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

/// A link of this machine: the interface by which datagrams to a node leave.
type Link = { Interface: string; Mtu: int }

let serverTable (files: Fsck.Files) =
    let struct (entries, _) = Files.serverEntries files.Snapshot
    ConfigTable.ofEntries entries

let ownTable (files: Fsck.Files) =
    let struct (server, _) = Files.serverEntries files.Snapshot
    let struct (own, _) = Files.hostEntries files.Snapshot files.Own
    ConfigTable.ofEntries (server @ own)

/// The first value of a variable.
let value (name: string) (table: ConfigTable) : string voption =
    ConfigTable.tryFirst name table |> ValueOption.map (fun (entry: Entry) -> entry.Value.Trim())

/// The daemon will ask the kernel for a TUN or TAP device, where the kernel has such.
let needsTun (files: Fsck.Files) : bool =
    match value "DeviceType" (serverTable files) with
    | ValueSome kind -> ByteText.same kind "tun" || ByteText.same kind "tap"
    | ValueNone -> true

/// The port that the daemon will listen on.
let ownPort (files: Fsck.Files) : string =
    value "Port" (ownTable files) |> ValueOption.defaultValue HostSettings.defaultPort

/// The daemon may connect to any node with an Address, not only to those of ConnectTo (spec 05 §5).
let connectsByItself (files: Fsck.Files) : bool =
    match value "AutoConnect" (serverTable files) with
    | ValueSome text -> not (ByteText.same text "no")
    | ValueNone -> true

/// The nodes that ConnectTo names.
let connectTo (files: Fsck.Files) : NodeName list =
    ConfigTable.all "ConnectTo" (serverTable files)
    |> List.choose (fun entry -> NodeName.tryParse (entry.Value.Trim()) |> ValueOption.toOption)
    |> List.distinct

let hostTable (files: Fsck.Files) (name: NodeName) : ConfigTable =
    let struct (entries, _) = Files.hostEntries files.Snapshot name
    ConfigTable.ofEntries entries

/// Where a node may be called, as its host file says.
let addresses (files: Fsck.Files) (name: NodeName) : HostPort list =
    let table = hostTable files name
    let port = value "Port" table |> ValueOption.defaultValue HostSettings.defaultPort

    ConfigTable.all "Address" table
    |> List.choose (fun entry ->
        match entry.Value.Split([| ' '; '\t' |], StringSplitOptions.RemoveEmptyEntries) with
        | [||] -> None
        | [| host |] -> Some { Host = host; Port = port }
        | words -> Some { Host = words[0]; Port = words[1] })

/// Where the nodes may be called that the daemon connects to: those of ConnectTo, then those that it may choose by itself.
let toCall (files: Fsck.Files) : struct (string * HostPort) list =
    let chosen =
        if connectsByItself files then
            Files.hostNames files.Snapshot |> List.filter (fun name -> name <> files.Own)
        else
            []

    connectTo files @ chosen
    |> List.distinct
    |> List.collect (fun name -> addresses files name |> List.map (fun address -> struct (name.Text, address)))

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
        /// Addresses that were not called, as there are too many.
        Uncalled: int
        TincUp: Fsck.Script voption
        /// What a running daemon says.
        Picture: Events.Picture voption
        /// By node, the link by which our datagrams to it leave.
        Links: Map<string, Link>
        /// The lines of a log file that was given.
        Log: string list
    }

let problem (what: string) (cause: string) (remedy: string) : Finding =
    { Gravity = Problem; What = what; Cause = cause; Remedy = remedy }

let hint (what: string) (cause: string) (remedy: string) : Finding =
    { Gravity = Hint; What = what; Cause = cause; Remedy = remedy }
