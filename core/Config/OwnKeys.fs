/// Our own private keys, and which protocols they let us speak (spec 01 §4.5, spec 08 §18).
module internal TincPure.Config.OwnKeys

open TincPure.Primitives
open TincPure.Crypto.Legacy

type Keys = { Ed25519: KeyPair voption; Rsa: RsaPrivateKey voption; Legacy: bool }

/// A node built without it speaks no legacy protocol, whatever its files say (`-p:LegacyProtocol=false`).
let legacyIsBuiltIn =
#if WITHOUT_LEGACY_PROTOCOL
    false
#else
    true
#endif

let private keyPath (variable: string) (fallback: string) (snapshot: Snapshot) (table: ConfigTable) =
    match ConfigTable.tryFirst variable table with
    | ValueSome entry -> Snapshot.namedPath snapshot (ByteText.decode entry.Value)
    | ValueNone -> Snapshot.path snapshot [ fallback ]

let ed25519Path = keyPath "Ed25519PrivateKeyFile" "ed25519_key.priv"

let rsaPath = keyPath "PrivateKeyFile" "rsa_key.priv"

let private invitationPath (snapshot: Snapshot) = Snapshot.path snapshot [ "invitations"; "ed25519_key.priv" ]

/// The files to be read before anything else here is called.
let wanted (snapshot: Snapshot) (table: ConfigTable) : string list =
    [ ed25519Path snapshot table; rsaPath snapshot table; invitationPath snapshot ]

/// The text of a private key file, with the reference's words about its absence. Without `hint` a missing file is in order.
let private fileText
    (kind: string)
    (command: string)
    (hint: bool)
    (snapshot: Snapshot)
    (file: string)
    (reader: Reader)
    : string voption =
    let unreadable reason = "Error reading " + kind + " private key file `" + file + "': " + reason

    match Snapshot.fileOf snapshot file with
    | Content(text, exposed) ->
        // Nobody is told of the key of invitations, as in the reference.
        if exposed && hint then
            reader.Say(
                Priority.Warning,
                "Warning: insecure file permissions for " + kind + " private key file `" + file + "'!"
            )

            reader.Say(Priority.Info, Remedy.prefix + "chmod 600 " + file)

        ValueSome text
    | CannotOpen(_, true) when not hint -> ValueNone
    | CannotOpen(reason, missing) ->
        reader.Say(Priority.Error, unreadable reason)

        if missing then
            let net = ValueOption.defaultValue "." snapshot.NetName
            reader.Say(Priority.Info, "Create an " + kind + " key pair with `tinc -n " + net + " " + command + "'.")

        ValueNone
    | CannotRead reason ->
        reader.Say(Priority.Error, unreadable reason)
        ValueNone

/// How to come by a private key again when its file is of no use.
let private renew (kind: string) (command: string) (snapshot: Snapshot) (file: string) : string =
    let net = ValueOption.defaultValue "." snapshot.NetName

    "put "
    + file
    + " back from a copy, or make a new "
    + kind
    + " key pair with `tinc -n "
    + net
    + " "
    + command
    + "' and give the host file to the other nodes"

let ed25519Key (snapshot: Snapshot) (file: string) (hint: bool) (reader: Reader) : KeyPair voption =
    fileText "Ed25519" "generate-ed25519-keys" hint snapshot file reader
    |> ValueOption.bind (fun text ->
        let struct (pair, complaints) = KeyFile.parsePrivate text

        for complaint in complaints do
            reader.Say(Priority.Error, complaint)

        if pair.IsNone then
            reader.Say(Priority.Error, "Reading Ed25519 private key file `" + file + "' failed")

            reader.Say(
                Priority.Info,
                Remedy.prefix
                + (if hint then
                       renew "Ed25519" "generate-ed25519-keys" snapshot file
                   else
                       "delete "
                       + file
                       + "; the next `tinc invite' makes a new one, and invitations that are out must be made anew")
            )

        pair)

/// The variables PrivateKey and PublicKey count before any file.
let rsaKey (snapshot: Snapshot) (reader: Reader) : RsaPrivateKey voption =
    match struct (reader.Text "PrivateKey", reader.Text "PublicKey") with
    | struct (ValueSome _, ValueNone) ->
        reader.Say(Priority.Error, "PrivateKey used but no PublicKey found!")
        ValueNone
    | struct (ValueSome secret, ValueSome modulus) ->
        let key = RsaText.privateOfHex modulus secret

        if key.IsNone then
            let bad = if (RsaText.publicOfHex modulus).IsNone then "PublicKey" else "PrivateKey"
            reader.Say(Priority.Error, "Invalid " + bad + " for myself!")

        key
    | _ ->
        let file = rsaPath snapshot reader.Table

        fileText "RSA" "generate-rsa-keys" true snapshot file reader
        |> ValueOption.bind (fun text ->
            let key = RsaText.parsePrivate text

            if key.IsNone then
                reader.Say(Priority.Error, "Reading RSA private key file `" + file + "' failed")
                reader.Say(Priority.Info, Remedy.prefix + renew "RSA" "generate-rsa-keys" snapshot file)

            key)

/// Our keys. What is missing switches a protocol off, unless it was asked for; without any the daemon cannot start.
let read (snapshot: Snapshot) (reader: Reader) : Keys =
    let wish = reader.Flag "ExperimentalProtocol"

    let refuse (keys: string) =
        let isOff =
            reader.Text "LegacyProtocol" |> ValueOption.exists (fun text -> Value.yesNo text = ValueSome false)

        let other =
            if legacyIsBuiltIn then
                ", no with one in "
                + rsaPath snapshot reader.Table
                + (if isOff then " and LegacyProtocol = yes" else "")
            else
                ""

        reader.RefuseWith(
            "ExperimentalProtocol",
            reader.Entry "ExperimentalProtocol",
            "No private " + keys + " available, cannot start tinc!",
            "yes with a key in " + ed25519Path snapshot reader.Table + other
        )

    let ed25519 =
        if wish = ValueSome false then
            ValueNone
        else
            ed25519Key snapshot (ed25519Path snapshot reader.Table) true reader

    if wish = ValueSome true && ed25519.IsNone then
        refuse "key"
        { Ed25519 = ValueNone; Rsa = ValueNone; Legacy = false }
    else
        if wish.IsNone && ed25519.IsNone then
            reader.Say(Priority.Warning, "Support for SPTPS disabled.")

        let legacy = legacyIsBuiltIn && reader.FlagOrDefault "LegacyProtocol"

        if not legacyIsBuiltIn then
            reader.Say(Priority.Info, "This program was built without the legacy protocol.")

        let rsa = if legacy then rsaKey snapshot reader else ValueNone

        if rsa.IsNone then
            if ed25519.IsSome then
                reader.Say(Priority.Warning, "Support for legacy protocol disabled.")
            else
                refuse "keys"

        { Ed25519 = ed25519; Rsa = rsa; Legacy = legacy }

/// The key of outstanding invitations, if there are any.
let invitation (snapshot: Snapshot) (reader: Reader) : KeyPair voption =
    ed25519Key snapshot (invitationPath snapshot) false reader

/// A line for each of our key files that holds another key by now.
let waitingForRestart (snapshot: Snapshot) (running: Settings) : LogLine list =
    let table = running.InEffect

    let changed kind file =
        { Level = DebugLevel.always
          Priority = Priority.Warning
          Text =
            "The "
            + kind
            + " private key in "
            + file
            + " has changed, which needs a restart; until then the old one is used" }

    let text file =
        match Snapshot.fileOf snapshot file with
        | Content(text, _) -> ValueSome text
        | _ -> ValueNone

    let ed25519 = ed25519Path snapshot table
    let rsa = rsaPath snapshot table

    [ match text ed25519 |> ValueOption.map KeyFile.parsePrivate with
      | ValueSome(struct (ValueSome pair, _)) when
          running.ExperimentalProtocol && ValueSome pair.Private <> running.PrivateKey
          ->
          changed "Ed25519" ed25519
      | _ -> ()

      match struct (text rsa |> ValueOption.bind RsaText.parsePrivate, running.RsaKey) with
      | struct (ValueSome key, ValueSome old) when key <> old && (ConfigTable.tryFirst "PrivateKey" table).IsNone ->
          changed "RSA" rsa
      | _ -> () ]
