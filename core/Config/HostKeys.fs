/// The public keys of nodes: where their files say that they are, and what there is to say of bad ones (spec 01 §4.5, spec 08 §18.2).
module internal TincPure.Config.HostKeys

open TincPure.Primitives
open TincPure.Crypto.Legacy

/// How files speak of a key: the variable that has it, the one that names a file, and what else may have it.
type private Sort = { Name: string; Itself: string; File: string; Block: string }

let private ed25519 =
    { Name = "Ed25519"
      Itself = "Ed25519PublicKey"
      File = "Ed25519PublicKeyFile"
      Block = "key block" }

let private rsa =
    { Name = "RSA"
      Itself = "PublicKey"
      File = "PublicKeyFile"
      Block = "RSA key block" }

/// The file that one variable names, unless another one gives the key itself.
let private file (sort: Sort) (snapshot: Snapshot) (table: ConfigTable) : string voption =
    match struct (ConfigTable.tryFirst sort.Itself table, ConfigTable.tryFirst sort.File table) with
    | struct (ValueNone, ValueSome entry) -> ValueSome(Snapshot.namedPath snapshot (ByteText.decode entry.Value))
    | _ -> ValueNone

/// The files that the variables of a host file name, to be read before anything else here is called.
let files (snapshot: Snapshot) (table: ConfigTable) : string list =
    [ for sort in [ ed25519; rsa ] do
          match file sort snapshot table with
          | ValueSome file -> file
          | ValueNone -> () ]

/// What is in the places where the keys of a node may be.
let texts (snapshot: Snapshot) (name: NodeName) (table: ConfigTable) : HostKeyFiles =
    let read (sort: Sort) =
        file sort snapshot table
        |> ValueOption.map (fun file ->
            match Snapshot.fileOf snapshot file with
            | Content(text, _) -> Ok text
            | CannotOpen(reason, _)
            | CannotRead reason -> Error("Error reading " + sort.Name + " public key file `" + file + "': " + reason))

    { Ed25519 = read ed25519
      Rsa = read rsa
      HostFile =
        match Snapshot.fileOf snapshot (Snapshot.hostPath snapshot name) with
        | Content(text, _) -> text
        | _ -> "" }

/// What is wrong with a key, where it is, and how to come by a good one.
let private complaints
    (sort: Sort)
    (what: string)
    snapshot
    (name: NodeName)
    table
    (problems: string list)
    : LogLine list =
    let place =
        match struct (ConfigTable.tryFirst sort.Itself table, file sort snapshot table) with
        | struct (ValueSome entry, _) -> sort.Itself + " " + Place.toText entry.Place
        | struct (ValueNone, ValueSome file) -> sort.File + " " + file
        | struct (ValueNone, ValueNone) -> "the " + sort.Block + " in " + Snapshot.hostPath snapshot name

    let line priority text = { Level = DebugLevel.always; Priority = priority; Text = text }

    match problems with
    | [] -> []
    | problems ->
        List.map (line Priority.Error) problems
        @ [ line
                Priority.Info
                (Remedy.prefix
                 + place
                 + " must be the "
                 + what.Replace("{}", name.Text)
                 + ": take what `tinc export' prints there") ]

/// Lines about the Ed25519 key of a node.
let ed25519Complaints (snapshot: Snapshot) (table: ConfigTable) (host: HostSettings) : LogLine list =
    complaints ed25519 "public key of {} (43 characters of base64)" snapshot host.Name table host.PublicKeyProblems

/// Lines about the RSA key of a node, if that would be used. That there is none is no fault before one is needed.
let rsaComplaints (snapshot: Snapshot) (settings: Settings) (table: ConfigTable) (host: HostSettings) : LogLine list =
    let isUsed = settings.RsaKey.IsSome && (host.PublicKey.IsNone || settings.PrivateKey.IsNone)

    let isGiven () =
        (ConfigTable.tryFirst rsa.Itself table).IsSome
        || (ConfigTable.tryFirst rsa.File table).IsSome
        || RsaText.hasPublicBlock (texts snapshot host.Name table).HostFile

    if isUsed && isGiven () then
        complaints rsa "RSA public key of {}" snapshot host.Name table host.RsaKeyProblems
    else
        []
