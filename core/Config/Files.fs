namespace TincPure.Config

open System
open TincPure.Primitives

/// What came of reading a configuration.
type Loaded =
    {
        /// Said while the server configuration was read, before the daemon opens its log for good.
        ReadLog: LogLine list
        /// False if the server configuration cannot be used at all: the daemon ends without starting.
        Readable: bool
        /// LogLevel, for when the command line gives no level.
        LogLevel: int
        /// The host has to make sure that it can be had before anything is opened.
        Sandbox: Sandbox
        /// Said after that.
        Log: LogLine list
        Outcome: Result<Settings, ConfigProblem list>
    }

/// From files to settings (spec 05 §4.4, §6.1). Pure: the host reads what is `wanted`, until nothing more is.
module Files =

    let mainPath (snapshot: Snapshot) = Snapshot.path snapshot [ "tinc.conf" ]

    let private extraPaths (snapshot: Snapshot) =
        match Map.tryFind "conf.d" snapshot.Folders with
        | Some(Ok names) ->
            names
            |> List.filter (fun name -> name.Length > 5 && name.EndsWith(".conf", StringComparison.Ordinal))
            |> List.sortWith (fun a b -> String.CompareOrdinal(a, b))
            |> List.map (fun name -> Snapshot.path snapshot [ "conf.d"; name ])
        | _ -> []

    let internal hostNames (snapshot: Snapshot) : NodeName list =
        match Map.tryFind "hosts" snapshot.Folders with
        | Some(Ok names) ->
            names
            |> List.choose (fun name ->
                match NodeName.tryParse name with
                | ValueSome name -> Some name
                | ValueNone -> None)
            |> List.sort
        | _ -> []

    let private error text = { Level = DebugLevel.always; Priority = Priority.Error; Text = text }

    /// Entries of a configuration file up to its first error, and the reference's words about it.
    let private entriesOf (snapshot: Snapshot) (file: string) : struct (Entry list * string list) =
        match Snapshot.fileOf snapshot file with
        | Content(text, _) ->
            match Syntax.parse file text with
            | struct (entries, ValueNone) -> struct (entries, [])
            | struct (entries, ValueSome error) -> struct (entries, [ Syntax.errorText error ])
        | CannotOpen(reason, _) -> struct ([], [ "Cannot open config file " + file + ": " + reason ])
        | CannotRead _ -> struct ([], [])

    /// ``Failed to read `F': REASON``, which follows unless a line was wrong.
    let private failedToRead (snapshot: Snapshot) (file: string) =
        match Snapshot.fileOf snapshot file with
        | Content _ -> []
        | CannotOpen(reason, _)
        | CannotRead reason -> [ "Failed to read `" + file + "': " + reason ]

    let private options (snapshot: Snapshot) : struct (Entry list * string list) =
        let parsed = List.mapi (fun i text -> Syntax.parseOption (i + 1) text) snapshot.Options

        struct (parsed
                |> List.choose (function
                    | Ok entry -> Some entry
                    | Error _ -> None),
                parsed
                |> List.choose (function
                    | Ok _ -> None
                    | Error error -> Some(Syntax.errorText error)))

    /// Options for the server: those without a dot in the name.
    let private serverOptions (entries: Entry list) =
        List.filter (fun (entry: Entry) -> not (entry.Variable.Contains '.')) entries

    /// Options `NAME.VARIABLE` of one node.
    let private hostOptions (name: NodeName) (entries: Entry list) =
        let prefix = name.Text + "."

        entries
        |> List.choose (fun entry ->
            if entry.Variable.StartsWith(prefix, StringComparison.Ordinal) then
                Some { entry with Variable = entry.Variable.Substring prefix.Length }
            else
                None)

    let internal serverEntries (snapshot: Snapshot) : struct (Entry list * string list) =
        let struct (options, badOptions) = options snapshot

        let files =
            mainPath snapshot :: extraPaths snapshot
            |> List.map (fun file ->
                let struct (entries, errors) = entriesOf snapshot file
                struct (entries, errors @ failedToRead snapshot file))

        struct (serverOptions options @ List.collect (fun (struct (entries, _)) -> entries) files,
                badOptions @ List.collect (fun (struct (_, errors)) -> errors) files)

    let internal hostEntries (snapshot: Snapshot) (name: NodeName) : struct (Entry list * string list) =
        let struct (options, _) = options snapshot
        let struct (entries, errors) = entriesOf snapshot (Snapshot.hostPath snapshot name)
        struct (hostOptions name options @ entries, errors)

    let private hostWants (snapshot: Snapshot) (name: NodeName) : string list =
        let struct (entries, _) = hostEntries snapshot name
        let table = ConfigTable.ofEntries entries

        Snapshot.hostPath snapshot name :: HostKeys.files snapshot table

    let private missing (snapshot: Snapshot) (files: string list) =
        files |> List.distinct |> List.filter (fun file -> not (Map.containsKey file snapshot.Files))

    /// The files that are still to be read before `load` or `reload`.
    let wanted (snapshot: Snapshot) : string list =
        let struct (entries, _) = serverEntries snapshot

        mainPath snapshot :: extraPaths snapshot
        @ List.collect (hostWants snapshot) (hostNames snapshot)
        @ OwnKeys.wanted snapshot (ConfigTable.ofEntries entries)
        |> missing snapshot

    /// The files that are still to be read before `readHost`.
    let wantedForHost (snapshot: Snapshot) (name: NodeName) : string list = hostWants snapshot name |> missing snapshot

    let private readHostWith strictSubnets snapshot name : struct (HostSettings * LogLine list) =
        let struct (entries, errors) = hostEntries snapshot name
        let table = ConfigTable.ofEntries entries
        let reader = Reader table

        let settings = HostSettings.read name strictSubnets (HostKeys.texts snapshot name table) reader
        struct (settings, List.map error errors @ reader.Log @ HostKeys.ed25519Complaints snapshot table settings)

    /// The settings of another node's host file, and what is wrong with it; nothing if there is no such file. That there is none is
    /// what strangers bring about: no line for those who do not ask for connections.
    let readHost (snapshot: Snapshot) (name: NodeName) : struct (HostSettings voption * LogLine list) =
        match Snapshot.fileOf snapshot (Snapshot.hostPath snapshot name) with
        | Content _ ->
            let struct (settings, log) = readHostWith false snapshot name
            struct (ValueSome settings, log)
        | CannotOpen(reason, _)
        | CannotRead reason ->
            let text = "Cannot open config file " + Snapshot.hostPath snapshot name + ": " + reason
            struct (ValueNone, [ { error text with Level = DebugLevel.connections } ])

    /// The other nodes that have a host file. What is in a file with a fault counts up to there, unless we know from `settings`
    /// what the file said before.
    let private otherHosts (snapshot: Snapshot) (settings: Settings) (reader: Reader) : Map<NodeName, HostSettings> =
        match Map.tryFind "hosts" snapshot.Folders with
        | Some(Error reason) ->
            reader.Say(Priority.Error, "Could not open " + Snapshot.path snapshot [ "hosts" ] + ": " + reason)
        | None ->
            reader.Say(
                Priority.Error,
                "Could not open " + Snapshot.path snapshot [ "hosts" ] + ": No such file or directory"
            )
        | Some(Ok _) -> ()

        hostNames snapshot
        |> List.filter (fun name -> name <> settings.Name)
        |> List.map (fun name ->
            let struct (host, log) = readHostWith settings.StrictSubnets snapshot name
            let struct (entries, faults) = hostEntries snapshot name

            for line in log @ HostKeys.rsaComplaints snapshot settings (ConfigTable.ofEntries entries) host do
                reader.Say(line.Priority, line.Text)

            name,
            (if faults.IsEmpty then
                 host
             else
                 Option.defaultValue host (settings.Hosts.TryFind name)))
        |> Map.ofList

    /// The own node's part. Values were complained about when the options were read; only Subnets are read here.
    let private ownHost (name: NodeName) (starting: bool) (reader: Reader) : HostSettings =
        let subnets = reader.Subnets("Subnet", starting)

        { HostSettings.read name false HostKeyFiles.none (Reader reader.Table) with
            Subnets = subnets }

    /// Sandbox and LogLevel, which are looked at before anything else.
    let private preliminaries (reader: Reader) : struct (Sandbox * int) =
        let sandbox =
            reader.Choice("Sandbox", [ "off", NoSandbox; "normal", NormalSandbox; "high", HighSandbox ])

        struct (ValueOption.defaultValue NoSandbox sandbox, reader.NumberOrDefault "LogLevel")

    let private unreadable (messages: string list) (reader: Reader) : Loaded =
        { ReadLog = List.map error messages @ reader.Log
          Readable = false
          LogLevel = 0
          Sandbox = NoSandbox
          Log = []
          Outcome =
            messages
            |> List.map (fun message ->
                { Variable = ""
                  Value = ""
                  Place = ValueNone
                  Message = message
                  Allowed = "" })
            |> fun unreadable -> Error(unreadable @ reader.Problems) }

    /// Our name, and the table in which the server's files and our host file compete.
    let private identity (snapshot: Snapshot) (server: Entry list) (reader: Reader) =
        let environment variable =
            match Map.tryFind variable snapshot.Environment with
            | Some text -> ValueSome text
            | None -> ValueNone

        let entry = reader.Entry "Name"

        let name =
            match entry with
            | ValueNone -> ValueNone
            | ValueSome entry ->
                match OwnName.expand environment snapshot.HostName entry.Value with
                | Ok name -> ValueSome name
                | Error message ->
                    reader.Say(Priority.Error, message)
                    ValueNone

        match name with
        | ValueNone ->
            reader.RefuseWith("Name", entry, "Name for tinc daemon required!")
            ValueNone
        | ValueSome name ->
            let struct (own, errors) = hostEntries snapshot name

            for message in errors do
                reader.Say(Priority.Error, message)

            ValueSome(struct (name, ConfigTable.ofEntries (server @ own)))

    let private loaded (preliminary: Reader) sandbox logLevel (log: LogLine list) outcome : Loaded =
        { ReadLog = preliminary.Log
          Readable = true
          LogLevel = logLevel
          Sandbox = sandbox
          Log = log
          Outcome = outcome }

    let private start
        (snapshot: Snapshot)
        (name: NodeName)
        (sandbox: Sandbox)
        (logLevel: int)
        (reader: Reader)
        : Settings =
        let blank = Settings.defaults name snapshot.ConfBase

        let timed =
            ReadSettings.timing
                { blank with
                    NetName = snapshot.NetName
                    LogLevel = logLevel
                    Sandbox = sandbox
                    InEffect = reader.Table
                    // Off until read: a reload may only switch them on.
                    IndirectData = false
                    TcpOnly = false
                    PmtuDiscovery = false
                    ClampMss = false }
                reader

        let keys = OwnKeys.read snapshot reader
        let own = ownHost name true reader

        let keyed =
            { timed with
                PrivateKey = ValueOption.map _.Private keys.Ed25519
                PublicKey = ValueOption.map _.Public keys.Ed25519
                ExperimentalProtocol = keys.Ed25519.IsSome
                LegacyProtocol = keys.Legacy
                RsaKey = keys.Rsa
                Own = own }

        let reloadable = ReadSettings.reloadable keyed reader
        let invitationKey = OwnKeys.invitation snapshot reader
        let startOnly = ReadSettings.startOnly reloadable reader
        let connections = ReadSettings.connections startOnly reader
        let hosts = otherHosts snapshot connections reader
        let machine = ReadSettings.machine connections reader
        ReadSettings.warnOfIdle reader
        LegacySettings.warn { machine with Hosts = hosts } reader

        { machine with
            InvitationKey = invitationKey
            Hosts = hosts
            ConnectTo = ReadSettings.connectTo name reader }

    /// Settings for a start, or every value that the daemon cannot start with.
    let load (snapshot: Snapshot) : Loaded =
        let struct (server, errors) = serverEntries snapshot
        let preliminary = Reader(ConfigTable.ofEntries server)
        let struct (sandbox, logLevel) =
            if errors.IsEmpty then preliminaries preliminary else struct (NoSandbox, 0)

        if not errors.IsEmpty || not preliminary.Problems.IsEmpty then
            unreadable errors preliminary
        else
            let first = Reader preliminary.Table

            match identity snapshot server first with
            | ValueNone -> loaded preliminary sandbox logLevel first.Log (Error first.Problems)
            | ValueSome(struct (name, table)) ->
                let reader = Reader table
                let settings = start snapshot name sandbox logLevel reader

                loaded
                    preliminary
                    sandbox
                    logLevel
                    (first.Log @ reader.Log)
                    (if reader.Problems.IsEmpty then Ok settings else Error reader.Problems)

    /// Settings after a reload (spec 05 §7.1): a value that would have prevented the start is logged and the running one
    /// stays, and what waits for a restart is named. Only our own files that cannot be read are an error; the running
    /// settings then stay as they are.
    let reload (snapshot: Snapshot) (running: Settings) : Loaded =
        let struct (server, errors) = serverEntries snapshot
        let struct (own, ownErrors) = hostEntries snapshot running.Name

        // A host file that is gone says nothing; one that breaks off would take back what stands behind the fault.
        let broken =
            match Snapshot.fileOf snapshot (Snapshot.hostPath snapshot running.Name) with
            | CannotOpen(_, true) -> errors
            | _ -> errors @ ownErrors

        let preliminary = Reader(ConfigTable.ofEntries server)

        if not broken.IsEmpty then
            unreadable broken preliminary
        else
            let table = ConfigTable.ofEntries (server @ own)
            let inEffect = Changes.apply running.InEffect table
            let reader = Reader table

            for message in ownErrors do
                reader.Say(Priority.Error, message)

            let reloadable = ReadSettings.reloadable running reader
            let connections = ReadSettings.connections reloadable reader

            let settings =
                { connections with
                    BindToInterface = reader.SystemText "BindToInterface"
                    InvitationKey = OwnKeys.invitation snapshot reader
                    Own = { running.Own with Subnets = (ownHost running.Name false reader).Subnets }
                    Hosts = otherHosts snapshot running reader
                    ConnectTo = ReadSettings.connectTo running.Name reader
                    InEffect = inEffect }

            let waiting = Changes.waitingForRestart inEffect table @ OwnKeys.waitingForRestart snapshot running

            loaded preliminary running.Sandbox running.LogLevel (reader.Log @ waiting) (Ok settings)
