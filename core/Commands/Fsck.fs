/// `tinc fsck`: what is wrong with the files of a node, and what can be done about it (spec 06 §13).
module TincPure.Commands.Fsck

open System
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Crypto.Legacy
open TincPure.Config

/// What may be done about a finding.
type Remedy =
    /// Takes the rights of others away.
    | Restrict of file: string
    /// Disables the keys of its kind in our host file and appends this one.
    | WriteEd25519Key of byte[]
    | WriteRsaKey of RsaPublicKey
    | MakeExecutable of file: string

type Finding =
    | Say of string
    /// If the user wants it. `mustBeDone`: without it there is an error left.
    | Offer of Remedy * mustBeDone: bool
    /// The files are not in order.
    | Failure

/// What a host knows of a private key file besides its content.
type KeyFileRights = { ExposedToOthers: bool; OwnedByOther: bool }

/// Whether we may read and run a script: if not, why.
type Script = { Path: string; Problem: string voption }

/// The files in question.
type Files =
    {
        Snapshot: Snapshot
        Own: NodeName
        /// As the user calls the program, with the options that name the network.
        Command: string
        /// As the user calls the program.
        Program: string
        /// By path.
        Rights: Map<string, KeyFileRights>
        /// Names in the configuration directory that end in `-up` or `-down`, with what is known of them; or why there is
        /// no telling.
        Scripts: Result<struct (string * Script) list, string>
        HostScripts: Result<Script list, string>
    }

let private say (lines: string list) : Finding list = List.map Say lines

/// A paragraph with a command to type.
let private advice (files: Files) (what: string) (command: string) = say [ what; ""; files.Command + " " + command ]

let private failure (lines: string list) : Finding list = say lines @ [ Failure ]

/// What the readers of keys say, as it appears on a terminal. The remedies here are fsck's own.
let private said (reader: Reader) : Finding list =
    reader.Log
    |> List.filter (fun line -> not (line.Text.StartsWith(Remedy.prefix, StringComparison.Ordinal)))
    |> List.map (fun line ->
        // The reference ends this one message with two newlines.
        if line.Text = "Too little base64 data in PEM file" then
            Say(line.Text + "\n")
        else
            Say line.Text)

/// A private key that could be read, and what is wrong with the rights to its file.
let private rights (files: Files) (path: string) : Finding list =
    match Map.tryFind path files.Rights with
    | Some rights when rights.ExposedToOthers ->
        Say("WARNING: unsafe file permissions on " + path + ".")
        :: (if rights.OwnedByOther then
                [ Say("You are not running " + files.Program + " as the same uid as " + path + ".") ]
            else
                [ Offer(Restrict path, false) ])
    | _ -> []

let private probe = "TincPure"B

/// The halves of an Ed25519 key belong together.
let private belong (pair: KeyPair) (publicKey: byte[]) =
    let signature = Ed25519.sign (ReadOnlySpan pair.Private) (ReadOnlySpan pair.Public) (ReadOnlySpan probe)
    Ed25519.verify (ReadOnlySpan publicKey) (ReadOnlySpan probe) (ReadOnlySpan signature)

let private ed25519 (files: Files) (pair: KeyPair voption) (found: Result<byte[] voption, string list>) : Finding list =
    let write (pair: KeyPair) mustBeDone = Offer(WriteEd25519Key pair.Public, mustBeDone)

    match struct (found, pair) with
    | struct (Ok(ValueSome _), ValueNone) ->
        Say "WARNING: A public Ed25519 key was found but no private key is known.\n"
        :: advice files "You can generate a new Ed25519 keypair with:" "generate-ed25519-keys"
    | struct (Ok(ValueSome _), ValueSome pair) when not (belong pair pair.Public) ->
        say [ "ERROR: private Ed25519 key does not work.\n" ]
        @ advice files "You can generate a new Ed25519 keypair with:" "generate-ed25519-keys"
        @ [ Failure ]
    | struct (Ok(ValueSome key), ValueSome pair) when key <> pair.Public ->
        [ Say "ERROR: public and private Ed25519 keys do not match."; write pair true ]
    | struct (Ok(ValueSome _), ValueSome _) -> []
    | struct (missing, pair) ->
        let complaints =
            match missing with
            | Error complaints -> say complaints
            | Ok _ -> []

        let offer =
            match pair with
            | ValueSome pair -> [ write pair false ]
            | ValueNone -> []

        complaints @ Say "WARNING: No (usable) public Ed25519 key found." :: offer

let private rsa (key: RsaPrivateKey voption) (found: Result<RsaPublicKey, string>) : Finding list =
    let write (key: RsaPrivateKey) mustBeDone = Offer(WriteRsaKey key.PublicHalf, mustBeDone)

    match struct (found, key) with
    | struct (Ok _, ValueNone) -> say [ "WARNING: A public RSA key was found but no private key is known." ]
    | struct (Ok found, ValueSome key) when found.Size <> key.PublicHalf.Size ->
        failure [ "ERROR: public and private RSA key lengths do not match." ]
    | struct (Ok found, ValueSome key) when found <> key.PublicHalf ->
        [ Say "ERROR: public and private RSA keys do not match."; write key true ]
    | struct (Ok _, ValueSome _) -> []
    | struct (Error _, ValueSome key) -> [ Say "WARNING: No (usable) public RSA key found."; write key false ]
    | struct (Error _, ValueNone) -> say [ "WARNING: No (usable) public RSA key found." ]

let private keys (files: Files) (table: ConfigTable) : Finding list =
    let reader = Reader table
    let ed25519Path = OwnKeys.ed25519Path files.Snapshot table
    let pair = OwnKeys.ed25519Key files.Snapshot ed25519Path true reader
    let ed25519Said = said reader
    let reader = Reader table
    let rsaPath = OwnKeys.rsaPath files.Snapshot table
    let rsaKey = OwnKeys.rsaKey files.Snapshot reader

    let privateKeys =
        List.concat
            [ ed25519Said
              (if pair.IsSome then rights files ed25519Path else [])
              said reader
              (if rsaKey.IsSome then rights files rsaPath else []) ]

    if pair.IsNone && rsaKey.IsNone then
        privateKeys
        @ Say "ERROR: Neither RSA or Ed25519 private key found.\n"
          :: advice files "You can generate new keys with:" "generate-keys"
        @ [ Failure ]
    else
        let publicKeys = HostKeys.texts files.Snapshot files.Own table
        let reader = Reader table

        privateKeys
        @ rsa rsaKey (HostSettings.rsaKey files.Own reader publicKeys)
        @ ed25519 files pair (HostSettings.publicKey reader publicKeys)

let private purposes = [ "tinc"; "host"; "subnet" ]

let private script (script: Script) : Finding list =
    match script.Problem with
    | ValueNone -> []
    | ValueSome "Permission denied" ->
        [ Say("WARNING: cannot read and execute " + script.Path + ": Permission denied")
          Offer(MakeExecutable script.Path, false) ]
    | ValueSome reason -> say [ "ERROR: cannot access " + script.Path + ": " + reason ]

let private serverScripts (confBase: string) (scripts: struct (string * Script) list) : Finding list =
    let isKnown (name: string) = List.contains (name.Substring(0, name.LastIndexOf '-')) purposes

    let explanation =
        [ "The only scripts in " + confBase + " executed by tinc are:"
          "tinc-up, tinc-down, host-up, host-down, subnet-up and subnet-down." ]

    let step (struct (explained, findings)) (struct (name, found)) =
        if isKnown name then
            struct (explained, findings @ script found)
        else
            let warning = "WARNING: Unknown script " + found.Path + " found."
            struct (true, findings @ say (warning :: (if explained then [] else explanation)))

    let struct (_, findings) = List.fold step (struct (false, [])) scripts
    findings

/// Variables in the wrong kind of file, or too often in one.
let private variables (isServer: bool) (name: string) (entries: Entry list) : Finding list =
    let line (entry: Entry) =
        match entry.Place with
        | Place.File(path, number) -> path + " line " + number.ToString()
        | Place.CommandLine number -> "command line option " + number.ToString()

    let misplaced (entry: Entry) =
        match Variables.tryFind entry.Variable with
        | ValueSome known when known.Listed ->
            [ if known.Obsolete then
                  "WARNING: obsolete variable " + entry.Variable + " in " + line entry
              if isServer && not known.Server then
                  "WARNING: host variable " + entry.Variable + " found in server config " + line entry + " "
              if not isServer && not known.Host then
                  "WARNING: server variable " + entry.Variable + " found in host config " + line entry + " " ]
        | _ -> []

    let table = ConfigTable.ofEntries entries

    let repeated =
        Variables.all
        |> List.filter (fun known ->
            known.Listed && not known.Multiple && (ConfigTable.all known.Name table).Length > 1)
        |> List.map (fun known -> "WARNING: multiple instances of variable " + known.Name + " in " + name)

    say (List.collect misplaced (ConfigTable.entries table) @ repeated)

let private variablesOf isServer name (struct (entries, errors)) =
    match errors with
    | [] -> variables isServer name entries
    | errors -> say errors

let private allVariables (snapshot: Snapshot) : Finding list =
    variablesOf true "tinc.conf" (Files.serverEntries snapshot)
    @ (Files.hostNames snapshot
       |> List.collect (fun host -> variablesOf false host.Text (Files.hostEntries snapshot host)))

let private scriptsAndVariables (files: Files) : Finding list =
    let unreadable folder reason = failure [ "ERROR: cannot read directory " + folder + ": " + reason ]
    let confBase = files.Snapshot.ConfBase

    match struct (files.Scripts, files.HostScripts) with
    | struct (Error reason, _) -> unreadable confBase reason
    | struct (Ok scripts, Error reason) ->
        serverScripts confBase scripts @ unreadable (Snapshot.path files.Snapshot [ "hosts" ]) reason
    | struct (Ok scripts, Ok hostScripts) ->
        serverScripts confBase scripts @ List.collect script hostScripts @ allVariables files.Snapshot

/// All that is wrong, in the order in which it is found. Nothing is changed until the remedies are applied.
let check (files: Files) : Finding list =
    let struct (server, serverErrors) = Files.serverEntries files.Snapshot
    let struct (own, ownErrors) = Files.hostEntries files.Snapshot files.Own

    let keyFindings =
        match serverErrors @ ownErrors with
        | [] -> keys files (ConfigTable.ofEntries (server @ own))
        | errors -> failure errors

    keyFindings @ scriptsAndVariables files

/// The private key files to look at the rights of.
let keyFiles (snapshot: Snapshot) : string list =
    let struct (entries, _) = Files.serverEntries snapshot
    let table = ConfigTable.ofEntries entries
    [ OwnKeys.ed25519Path snapshot table; OwnKeys.rsaPath snapshot table ]
