namespace TincPure.Config

open System
open TincPure.Primitives

/// What came of reading a file.
type FileRead =
    /// Byte text. `exposed`: others than the owner have some right to the file.
    | Content of text: string * exposed: bool
    | CannotOpen of reason: string * missing: bool
    | CannotRead of reason: string

/// The files of a configuration directory as a host found them, and what else configuration depends on.
type Snapshot =
    {
        ConfBase: string
        NetName: string voption
        /// Between the parts of a path.
        Separator: string
        /// The `-o` options in order, as byte text.
        Options: string list
        Environment: Map<string, string>
        HostName: Result<string, string>
        /// Names in the folders `conf.d` and `hosts`; a folder that does not exist is missing.
        Folders: Map<string, Result<string list, string>>
        /// By path. See `Files.wanted`.
        Files: Map<string, FileRead>
    }

/// What came of reading a configuration.
type Loaded =
    {
        /// Said while the server configuration was read, before the daemon opens its log for good.
        ReadLog: LogLine list
        /// False if the server configuration cannot be used at all: the daemon ends without starting.
        Readable: bool
        /// LogLevel, for when the command line gives no level.
        LogLevel: int
        /// Said after that.
        Log: LogLine list
        Outcome: Result<Settings, ConfigProblem list>
    }

/// From files to settings (spec 05 §4.4, §6.1). Pure: the host reads what is `wanted`, until nothing more is.
module Files =

    let private path (snapshot: Snapshot) (parts: string list) : string =
        String.Join(snapshot.Separator, snapshot.ConfBase :: parts)

    let private isRooted (file: string) =
        file.StartsWith '/'
        || file.StartsWith '\\'
        || (file.Length > 2 && Char.IsAsciiLetter file[0] && file[1] = ':')

    /// A path given in a configuration: relative to the configuration directory.
    let private namedPath (snapshot: Snapshot) (file: string) = if isRooted file then file else path snapshot [ file ]

    let mainPath (snapshot: Snapshot) = path snapshot [ "tinc.conf" ]

    let hostPath (snapshot: Snapshot) (name: NodeName) = path snapshot [ "hosts"; name.Text ]

    let private extraPaths (snapshot: Snapshot) =
        match Map.tryFind "conf.d" snapshot.Folders with
        | Some(Ok names) ->
            names
            |> List.filter (fun name -> name.Length > 5 && name.EndsWith(".conf", StringComparison.Ordinal))
            |> List.sortWith (fun a b -> String.CompareOrdinal(a, b))
            |> List.map (fun name -> path snapshot [ "conf.d"; name ])
        | _ -> []

    let private hostNames (snapshot: Snapshot) : NodeName list =
        match Map.tryFind "hosts" snapshot.Folders with
        | Some(Ok names) ->
            names
            |> List.choose (fun name ->
                match NodeName.tryParse name with
                | ValueSome name -> Some name
                | ValueNone -> None)
            |> List.sort
        | _ -> []

    let private invitationKeyPath (snapshot: Snapshot) = path snapshot [ "invitations"; "ed25519_key.priv" ]

    let private error text = { Level = DebugLevel.always; Priority = Priority.Error; Text = text }

    let private fileOf (snapshot: Snapshot) (file: string) =
        match Map.tryFind file snapshot.Files with
        | Some read -> read
        | None -> CannotOpen("No such file or directory", true)

    /// Entries of a configuration file up to its first error, and the reference's words about it.
    let private entriesOf (snapshot: Snapshot) (file: string) : struct (Entry list * string list) =
        match fileOf snapshot file with
        | Content(text, _) ->
            match Syntax.parse file text with
            | struct (entries, ValueNone) -> struct (entries, [])
            | struct (entries, ValueSome error) -> struct (entries, [ Syntax.errorText error ])
        | CannotOpen(reason, _) -> struct ([], [ "Cannot open config file " + file + ": " + reason ])
        | CannotRead _ -> struct ([], [])

    /// ``Failed to read `F': REASON``, which follows unless a line was wrong.
    let private failedToRead (snapshot: Snapshot) (file: string) =
        match fileOf snapshot file with
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

    let private serverEntries (snapshot: Snapshot) : struct (Entry list * string list) =
        let struct (options, badOptions) = options snapshot

        let files =
            mainPath snapshot :: extraPaths snapshot
            |> List.map (fun file ->
                let struct (entries, errors) = entriesOf snapshot file
                struct (entries, errors @ failedToRead snapshot file))

        struct (serverOptions options @ List.collect (fun (struct (entries, _)) -> entries) files,
                badOptions @ List.collect (fun (struct (_, errors)) -> errors) files)

    let private hostEntries (snapshot: Snapshot) (name: NodeName) : struct (Entry list * string list) =
        let struct (options, _) = options snapshot
        let struct (entries, errors) = entriesOf snapshot (hostPath snapshot name)
        struct (hostOptions name options @ entries, errors)

    let private privateKeyPath (snapshot: Snapshot) (table: ConfigTable) =
        match ConfigTable.tryFirst "Ed25519PrivateKeyFile" table with
        | ValueSome entry -> namedPath snapshot (ByteText.decode entry.Value)
        | ValueNone -> path snapshot [ "ed25519_key.priv" ]

    let private publicKeyPath (snapshot: Snapshot) (table: ConfigTable) =
        match ConfigTable.tryFirst "Ed25519PublicKey" table, ConfigTable.tryFirst "Ed25519PublicKeyFile" table with
        | ValueNone, ValueSome entry -> ValueSome(namedPath snapshot (ByteText.decode entry.Value))
        | _ -> ValueNone

    let private hostWants (snapshot: Snapshot) (name: NodeName) : string list =
        let struct (entries, _) = hostEntries snapshot name

        match publicKeyPath snapshot (ConfigTable.ofEntries entries) with
        | ValueSome keyFile -> [ hostPath snapshot name; keyFile ]
        | ValueNone -> [ hostPath snapshot name ]

    let private missing (snapshot: Snapshot) (files: string list) =
        files |> List.distinct |> List.filter (fun file -> not (Map.containsKey file snapshot.Files))

    /// The files that are still to be read before `load` or `reload`.
    let wanted (snapshot: Snapshot) : string list =
        let struct (entries, _) = serverEntries snapshot

        mainPath snapshot :: extraPaths snapshot
        @ List.collect (hostWants snapshot) (hostNames snapshot)
        @ [ privateKeyPath snapshot (ConfigTable.ofEntries entries); invitationKeyPath snapshot ]
        |> missing snapshot

    /// The files that are still to be read before `readHost`.
    let wantedForHost (snapshot: Snapshot) (name: NodeName) : string list = hostWants snapshot name |> missing snapshot

    let private readHostWith strictSubnets snapshot name : struct (HostSettings * LogLine list) =
        let struct (entries, errors) = hostEntries snapshot name
        let table = ConfigTable.ofEntries entries
        let reader = Reader table

        let text =
            match fileOf snapshot (hostPath snapshot name) with
            | Content(text, _) -> text
            | _ -> ""

        let keyFile =
            publicKeyPath snapshot table
            |> ValueOption.map (fun file ->
                match fileOf snapshot file with
                | Content(text, _) -> Ok text
                | CannotOpen(reason, _)
                | CannotRead reason -> Error("Error reading Ed25519 public key file `" + file + "': " + reason))

        let settings = HostSettings.read name strictSubnets keyFile text reader
        struct (settings, List.map error errors @ reader.Log)

    /// The settings of another node's host file, and what is wrong with it; nothing if there is no such file.
    let readHost (snapshot: Snapshot) (name: NodeName) : struct (HostSettings voption * LogLine list) =
        match fileOf snapshot (hostPath snapshot name) with
        | Content _ ->
            let struct (settings, log) = readHostWith false snapshot name
            struct (ValueSome settings, log)
        | CannotOpen(reason, _)
        | CannotRead reason ->
            struct (ValueNone, [ error ("Cannot open config file " + hostPath snapshot name + ": " + reason) ])

    /// The key pair of a private key file, with the reference's words about its absence or badness (spec 01 §4.5).
    let private privateKey (snapshot: Snapshot) (file: string) (hint: bool) (reader: Reader) : KeyPair voption =
        match fileOf snapshot file with
        | Content(text, exposed) ->
            if exposed then
                reader.Say(
                    Priority.Warning,
                    "Warning: insecure file permissions for Ed25519 private key file `" + file + "'!"
                )

            let struct (pair, complaints) = KeyFile.parsePrivate text

            for complaint in complaints do
                reader.Say(Priority.Error, complaint)

            if pair.IsNone then
                reader.Say(Priority.Error, "Reading Ed25519 private key file `" + file + "' failed")

            pair
        | CannotOpen(_, true) when not hint -> ValueNone
        | CannotOpen(reason, missing) ->
            reader.Say(Priority.Error, "Error reading Ed25519 private key file `" + file + "': " + reason)

            if missing then
                let net = ValueOption.defaultValue "." snapshot.NetName
                reader.Say(
                    Priority.Info,
                    "Create an Ed25519 key pair with `tinc -n " + net + " generate-ed25519-keys'."
                )

            ValueNone
        | CannotRead reason ->
            reader.Say(Priority.Error, "Error reading Ed25519 private key file `" + file + "': " + reason)
            ValueNone

    /// Our own key, and whether SPTPS is spoken. The legacy protocol is not there to fall back to.
    let private ownKey (snapshot: Snapshot) (reader: Reader) : struct (KeyPair voption * bool) =
        let wish = reader.Flag "ExperimentalProtocol"

        let refuse () =
            reader.RefuseWith(
                "ExperimentalProtocol",
                reader.Entry "ExperimentalProtocol",
                "No private key available, cannot start tinc!"
            )

        match wish with
        | ValueSome false ->
            refuse ()
            struct (ValueNone, false)
        | _ ->
            match privateKey snapshot (privateKeyPath snapshot reader.Table) true reader with
            | ValueSome pair -> struct (ValueSome pair, true)
            | ValueNone ->
                if wish.IsNone then
                    reader.Say(Priority.Warning, "Support for SPTPS disabled.")

                refuse ()
                struct (ValueNone, false)

    let private invitationKey (snapshot: Snapshot) (reader: Reader) : KeyPair voption =
        privateKey snapshot (invitationKeyPath snapshot) false reader

    let private otherHosts (snapshot: Snapshot) (settings: Settings) (reader: Reader) : Map<NodeName, HostSettings> =
        match Map.tryFind "hosts" snapshot.Folders with
        | Some(Error reason) ->
            reader.Say(Priority.Error, "Could not open " + path snapshot [ "hosts" ] + ": " + reason)
        | None ->
            reader.Say(Priority.Error, "Could not open " + path snapshot [ "hosts" ] + ": No such file or directory")
        | Some(Ok _) -> ()

        hostNames snapshot
        |> List.filter (fun name -> name <> settings.Name)
        |> List.map (fun name ->
            let struct (host, log) = readHostWith settings.StrictSubnets snapshot name

            for line in log do
                reader.Say(line.Priority, line.Text)

            name, host)
        |> Map.ofList

    /// The own node's part. Values were complained about when the options were read; only Subnets are read here.
    let private ownHost (name: NodeName) (starting: bool) (reader: Reader) : HostSettings =
        let subnets = reader.Subnets("Subnet", starting)

        { HostSettings.read name false ValueNone "" (Reader reader.Table) with
            Subnets = subnets }

    /// Sandbox and LogLevel, which are looked at before anything else.
    let private preliminaries (reader: Reader) : int =
        match reader.Entry "Sandbox" with
        | ValueSome entry when ByteText.same entry.Value "off" -> ()
        | ValueSome entry when (Value.oneOf [ "normal"; "high" ] entry.Value).IsSome ->
            reader.RefuseWith("Sandbox", ValueSome entry, "Sandbox is used but is not supported on this platform")
        | ValueSome entry -> reader.Refuse("Sandbox", entry)
        | ValueNone -> ()

        reader.NumberOrDefault "LogLevel"

    let private unreadable (messages: string list) (reader: Reader) : Loaded =
        { ReadLog = List.map error messages @ reader.Log
          Readable = false
          LogLevel = 0
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

    let private loaded (preliminary: Reader) logLevel (log: LogLine list) outcome : Loaded =
        { ReadLog = preliminary.Log
          Readable = true
          LogLevel = logLevel
          Log = log
          Outcome = outcome }

    let private start (snapshot: Snapshot) (name: NodeName) (logLevel: int) (reader: Reader) : Settings =
        let blank = Settings.defaults name snapshot.ConfBase

        let timed =
            ReadSettings.timing
                { blank with
                    NetName = snapshot.NetName
                    LogLevel = logLevel
                    // Off until read: a reload may only switch them on.
                    IndirectData = false
                    TcpOnly = false
                    PmtuDiscovery = false
                    ClampMss = false }
                reader

        let struct (key, experimental) = ownKey snapshot reader
        let own = ownHost name true reader

        let keyed =
            { timed with
                PrivateKey = ValueOption.map _.Private key
                PublicKey = ValueOption.map _.Public key
                ExperimentalProtocol = experimental
                Own = own }

        let reloadable = ReadSettings.reloadable keyed reader
        let invitationKey = invitationKey snapshot reader
        let startOnly = ReadSettings.startOnly reloadable reader
        let connections = ReadSettings.connections startOnly reader
        let hosts = otherHosts snapshot connections reader
        let machine = ReadSettings.machine connections reader

        { machine with
            InvitationKey = invitationKey
            Hosts = hosts
            ConnectTo = ReadSettings.connectTo name reader
            NotYetApplied = ReadSettings.notYetApplied reader }

    /// Settings for a start, or every value that the daemon cannot start with.
    let load (snapshot: Snapshot) : Loaded =
        let struct (server, errors) = serverEntries snapshot
        let preliminary = Reader(ConfigTable.ofEntries server)
        let logLevel = if errors.IsEmpty then preliminaries preliminary else 0

        if not errors.IsEmpty || not preliminary.Problems.IsEmpty then
            unreadable errors preliminary
        else
            let first = Reader preliminary.Table

            match identity snapshot server first with
            | ValueNone -> loaded preliminary logLevel first.Log (Error first.Problems)
            | ValueSome(struct (name, table)) ->
                let reader = Reader table
                let settings = start snapshot name logLevel reader

                loaded
                    preliminary
                    logLevel
                    (first.Log @ reader.Log)
                    (if reader.Problems.IsEmpty then Ok settings else Error reader.Problems)

    /// Settings after a reload (spec 05 §7.1): a value that would have prevented the start is logged and the running one
    /// stays. Only files that cannot be read are an error; the running settings then stay as they are.
    let reload (snapshot: Snapshot) (running: Settings) : Loaded =
        let struct (server, errors) = serverEntries snapshot
        let preliminary = Reader(ConfigTable.ofEntries server)

        if not errors.IsEmpty then
            unreadable errors preliminary
        else
            let struct (own, ownErrors) = hostEntries snapshot running.Name
            let reader = Reader(ConfigTable.ofEntries (server @ own))

            for message in ownErrors do
                reader.Say(Priority.Error, message)

            let reloadable = ReadSettings.reloadable running reader
            let connections = ReadSettings.connections reloadable reader

            let settings =
                { connections with
                    BindToInterface = reader.SystemText "BindToInterface"
                    InvitationKey = invitationKey snapshot reader
                    Own = { running.Own with Subnets = (ownHost running.Name false reader).Subnets }
                    Hosts = otherHosts snapshot running reader
                    ConnectTo = ReadSettings.connectTo running.Name reader
                    NotYetApplied = ReadSettings.notYetApplied reader }

            loaded preliminary running.LogLevel reader.Log (Ok settings)
