/// Who is at the other end of a meta connection, and how we go on with it (spec 02 §5, §6): pure decisions about ID and ACK.
/// ID is judged in two steps, because the host file of the node that it names is read in between.
module TincPure.Meta.Authentication

open System
open System.Globalization
open System.Security.Cryptography
open System.Text
open TincPure.Primitives
open TincPure.Config

/// Our part in the connection.
[<RequireQualifiedAccess>]
type Role =
    /// We opened it, towards this node.
    | Initiator of target: NodeName
    | Responder

/// The connection as logs call it: its name (the target's, `<unknown>` or `<control>`) and `ADDRESS port PORT`.
type Label = { Name: string; Host: string }

/// A node as its ID presents it; nothing is proved yet.
type Identity = { Name: NodeName; Minor: int }

/// What an ID line stands for.
type Greeting =
    | Node of Identity
    /// A control client with the right cookie: answer ID and ACK, then take only CONTROL (spec 02 §6.1).
    | ControlClient
    /// Somebody with an invitation, and the Ed25519 public key that they made up for it (spec 02 §6.2).
    | Invited of key: byte[]
    | Refused of LogLine list

/// How a connection with a node goes on. A responder sends its own ID first.
type Decision =
    /// Both sides start an SPTPS stream session with this label, and send ACK when it is established.
    | StartSptps of label: byte[] * peerKey: byte[]
    /// METAKEY comes next. The effective minor version decides between ACK (0) and the upgrade to SPTPS (1).
    | StartLegacy of minor: int
    | Reject of LogLine list

let private line level text : LogLine = { Level = level; Priority = Priority.Error; Text = text }

let private error text = line DebugLevel.always text

/// What follows the reason in the log of every refused ID.
let private whileProcessing (name: string) (host: string) =
    error ("Error while processing ID from " + name + " (" + host + ")")

/// The minor version in our own ID line (spec 02 §5.2). Without the peer's key only a legacy connection can give it to us.
/// A responder says 7 all the same, unless the two would then wait for each other: see `answersUpgrade`.
let ownMinor (experimental: bool) (role: Role) (peerKeyKnown: bool) : int =
    match role with
    | _ when not experimental -> 0
    | Role.Initiator _ when not peerKeyKnown -> 1
    | _ -> Protocol.minor

/// A caller that knows our key starts SPTPS when it hears 7, while we, lacking its key, would start METAKEY. Hearing 1 it goes the
/// legacy way, by which we learn its key (spec 02 §22.9). Only where both have RSA keys.
let answersUpgrade (settings: Settings) (peer: Identity) (hostFile: HostSettings voption) : bool =
    settings.ExperimentalProtocol
    && settings.RsaKey.IsSome
    && peer.Minor >= MinorVersion.sptps
    && (match hostFile with
        | ValueSome host -> host.PublicKey.IsNone && host.RsaKey.IsSome
        | ValueNone -> false)

/// Our own ID line.
let ownId (name: NodeName) (minor: int) : Message = Message.Id(name.Text, Protocol.major, ValueSome minor)

let private isCookie (cookie: string) (text: string) =
    CryptographicOperations.FixedTimeEquals(
        ReadOnlySpan(Encoding.Latin1.GetBytes cookie),
        ReadOnlySpan(Encoding.Latin1.GetBytes text)
    )

/// Control and invitation connections speak plain text, which a peer with SPTPS would not expect.
let private inPlainText (minor: int) (label: Label) (name: string) (greeting: Greeting) =
    if minor >= MinorVersion.sptps then
        Refused [ error "Handshake phase not finished yet"; whileProcessing name label.Host ]
    else
        greeting

let private invited (settings: Settings) (label: Label) (minor: int) (key: string) =
    match settings.InvitationKey, KeyFile.parsePublic key with
    | ValueNone, _ ->
        Refused
            [ error ("Got invitation from " + label.Host + " but we don't have an invitation key")
              whileProcessing label.Name label.Host ]
    | _, Error problem ->
        Refused
            [ error problem
              error ("Got bad invitation from " + label.Host)
              whileProcessing label.Name label.Host ]
    | _, Ok key -> inPlainText minor label label.Name (Invited key)

let private node (settings: Settings) (role: Role) (label: Label) (text: string) (major: int) (minor: int) =
    match NodeName.tryParse text, role with
    | ValueSome name, Role.Initiator target when name <> settings.Name && name <> target ->
        Refused
            [ error ("Peer " + label.Host + " is " + text + " instead of " + target.Text)
              whileProcessing label.Name label.Host ]
    | ValueSome name, _ when name <> settings.Name ->
        if major <> Protocol.major then
            let version = major.ToString() + "." + minor.ToString()

            Refused
                [ error ("Peer " + text + " (" + label.Host + ") uses incompatible version " + version)
                  whileProcessing text label.Host ]
        else
            Node { Name = name; Minor = minor }
    | _ ->
        Refused
            [ error ("Got bad ID from " + label.Name + " (" + label.Host + "): invalid name")
              whileProcessing label.Name label.Host ]

/// Judges the fields of an ID line as far as they alone allow (spec 02 §5.2, steps 1 to 5). Only those who call us can be control
/// clients or invited. `cookie` is that of the pid file.
let greet
    (settings: Settings)
    (cookie: string)
    (role: Role)
    (label: Label)
    (name: string)
    (major: int)
    (minor: int voption)
    : Greeting =
    // A negative minor version is no version: it must not slip past the test for a roll-back.
    let minor = max 0 (ValueOption.defaultValue 0 minor)

    match role with
    | Role.Responder when name.StartsWith '^' && isCookie cookie (name.Substring 1) ->
        inPlainText minor label "<control>" ControlClient
    | Role.Responder when name.StartsWith '?' -> invited settings label minor (name.Substring 1)
    | _ -> node settings role label name major minor

/// The label of the SPTPS session, NUL included (spec 02 §5.3).
let sessionLabel (initiator: NodeName) (responder: NodeName) : byte[] =
    Encoding.ASCII.GetBytes("tinc TCP key expansion " + initiator.Text + " " + responder.Text + "\000")

/// Judges the peer by its host file, none if there is none (spec 02 §5.2, steps 7 to 12). `host` is `ADDRESS port PORT`.
let decide
    (settings: Settings)
    (role: Role)
    (host: string)
    (peer: Identity)
    (hostFile: HostSettings voption)
    : Decision =
    let name = peer.Name.Text

    match hostFile with
    | ValueNone -> Reject [ error ("Peer " + host + " had unknown identity (" + name + ")"); whileProcessing name host ]
    | ValueSome hostFile ->
        let experimental = settings.ExperimentalProtocol
        let key = if experimental then hostFile.PublicKey else ValueNone

        match key, (if experimental then peer.Minor else 0) with
        | ValueSome _, 0 ->
            Reject
                [ error ("Peer " + name + " (" + host + ") tries to roll back protocol version to 17.0")
                  whileProcessing name host ]
        | ValueSome key, minor when minor >= MinorVersion.sptps ->
            match role with
            | Role.Initiator _ -> StartSptps(sessionLabel settings.Name peer.Name, key)
            | Role.Responder -> StartSptps(sessionLabel peer.Name settings.Name, key)
        | _, minor -> StartLegacy(min 1 minor)

/// What is logged when the peer's RSA key is needed and missing (spec 08 §18.3).
let noPublicKey (host: string) (peer: Identity) (problems: string list) : LogLine list =
    List.map error problems @ [ whileProcessing peer.Name.Text host ]

/// What a node without RSA key logs when it would have to start METAKEY (spec 02 §5.2, step 12).
let noLegacy (host: string) (peer: Identity) : LogLine list =
    let name = peer.Name.Text

    [ line DebugLevel.connections ("Peer " + name + " (" + host + ") uses legacy protocol which we don't support")
      whileProcessing name host ]

/// The options of a connection before the peer's ACK, without version: ours, as the peer's host file changes them (spec 02 §5.4).
let connectionOptions (settings: Settings) (hostFile: HostSettings) : uint32 =
    let tcpOnly = settings.TcpOnly || hostFile.TcpOnly
    let indirect = tcpOnly || settings.IndirectData || hostFile.IndirectData
    let clampMss = ValueOption.defaultValue settings.ClampMss hostFile.ClampMss
    let bit flag value = if value then flag else 0u

    bit Options.indirect indirect
    ||| bit Options.tcpOnly tcpOnly
    ||| bit Options.pmtuDiscovery (settings.PmtuDiscovery && not tcpOnly)
    ||| bit Options.clampMss clampMss

/// The weight in our ACK: `elapsed` microseconds since we sent ID, as whole milliseconds, unless a Weight is configured; that
/// for the peer counts before our own.
let ackWeight (settings: Settings) (hostFile: HostSettings) (elapsed: int64) : int =
    match hostFile.Weight, settings.Weight with
    | ValueSome weight, _ -> weight
    | _, ValueSome weight -> weight
    | _ -> int (min (elapsed / Instant.millisecond) (int64 Int32.MaxValue))

/// Our ACK. `options` are those of the connection, `udpPort` that of our first UDP socket.
let ownAck (settings: Settings) (udpPort: uint16) (weight: int) (options: uint32) : Message =
    let minor = if settings.ExperimentalProtocol then Protocol.minor else 0
    Message.Ack(udpPort.ToString(), weight, Options.withMinor minor options)

/// The options that both sides end up with: `own` from `connectionOptions`, `theirs` from the peer's ACK. The top byte is the
/// peer's minor version (spec 02 §5.4).
let combineOptions (hostFile: HostSettings) (own: uint32) (theirs: uint32) : uint32 =
    let own = Options.flags own
    let pmtu = own &&& theirs &&& Options.pmtuDiscovery
    let combined = ((own ||| theirs) &&& ~~~Options.pmtuDiscovery) ||| pmtu

    match hostFile.ClampMss with
    | ValueSome true -> combined ||| Options.clampMss
    | ValueSome false -> combined &&& ~~~Options.clampMss
    | ValueNone -> combined

/// The weight of the edge between us, from both sides' ACK (spec 02 §7).
let edgeWeight (own: int) (theirs: int) : int = int ((int64 own + int64 theirs) / 2L)

/// Where the peer's UDP port is: its TCP address with the port of its ACK, unless that is no port (spec 02 §7).
let edgeAddress (remote: Endpoint) (port: string) : Endpoint =
    match UInt16.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture) with
    | true, port when port <> 0us -> { remote with Port = port }
    | _ -> remote
