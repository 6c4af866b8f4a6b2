/// The authentication of the legacy protocol (spec 08 §3 to §7): each side sends a random key, encrypted with the other's RSA key, and
/// from then on talks through a stream cipher under it; then each has the other digest a challenge. Pure: randomness comes in with the
/// call, and what is to be sent comes out. Whatever is wrong with what the peer sends has the same consequence: an error, and with
/// it the end of the connection.
module TincPure.Meta.LegacyLogin

open System
open System.Security.Cryptography
open TincPure.Primitives
open TincPure.Crypto.Legacy

type Parameters =
    {
        /// We opened the connection.
        IsInitiator: bool
        Own: RsaPrivateKey
        Peer: RsaPublicKey
        /// `NAME (ADDRESS port PORT)`, as logs show the peer.
        Label: string
    }

/// What is known once both directions are encrypted.
type Challenged =
    {
        Parameters: Parameters
        /// The digest that the peer announced for its challenge.
        PeerDigest: Digest
        /// Our challenge.
        Challenge: byte[]
    }

/// What must come next.
type State =
    | AwaitingMetaKey of Parameters
    | AwaitingChallenge of Challenged
    /// A responder answers the challenge of the peer only after the peer has answered ours: otherwise it would be an oracle for
    /// somebody who authenticates elsewhere (CVE-2018-16738).
    | AwaitingReply of Challenged * answer: Message

/// Where a step leads.
type Progress =
    | Next of State
    /// The peer has proved who it is.
    | Authenticated

type Step =
    {
        Progress: Progress
        /// From the byte behind the line that led to this step on, what comes in has to be decrypted.
        Decrypt: StreamCipher voption
        /// To be sent, in order.
        Send: Message list
    }

/// The digest that we announce.
let private ownDigest = Digest.sha256

let private line text : LogLine = { Level = DebugLevel.always; Priority = Priority.Error; Text = text }

let private refuse (request: Request) (parameters: Parameters) (reasons: string list) : Result<'a, LogLine list> =
    let processing = "Error while processing " + Request.name request + " from " + parameters.Label
    Error(List.map line (reasons @ [ processing ]))

/// What a node with this cipher for packets encrypts its meta connections with: the more key and IV, the longer the key
/// (spec 08 §5).
let streamCipher (packetCipher: Cipher voption) : Cipher =
    let material =
        match packetCipher with
        | ValueSome cipher -> cipher.MaterialLength
        | ValueNone -> 0

    let name =
        if material <= 16 then "aes-128-cfb"
        elif material <= 24 then "aes-192-cfb"
        else "aes-256-cfb"

    match Cipher.ofName name with
    | ValueSome cipher -> cipher
    | ValueNone -> List.head Cipher.all

/// Bytes of randomness for `start`, and for each `receive`.
let startEntropy (parameters: Parameters) : int = parameters.Peer.Size

let receiveEntropy (parameters: Parameters) : int = Rsa.blindingSize parameters.Own + parameters.Peer.Size

/// Our METAKEY, and the cipher for everything that we send behind it. None if the peer's key is too short for a key and an IV.
let start (cipher: Cipher) (random: byte[]) (parameters: Parameters) : struct (Message * StreamCipher * State) voption =
    let block = Rsa.clearTop parameters.Peer random

    match struct (Rsa.encrypt parameters.Peer (ReadOnlySpan block), StreamCipher.create cipher block) with
    | struct (ValueSome encrypted, ValueSome stream) ->
        Rsa.wipe block

        let message =
            Message.MetaKey
                { Cipher = cipher.Nid
                  Digest = ownDigest.Nid
                  MacLength = 0
                  Compression = 0
                  Key = Convert.ToHexString encrypted }

        ValueSome(struct (message, stream, AwaitingMetaKey parameters))
    | _ -> ValueNone

/// Hexadecimal digits for exactly so many bytes.
let private exactly (size: int) (text: string) : byte[] voption =
    if text.Length <> 2 * size then
        ValueNone
    else
        let bytes = Hex.decode size text
        if bytes.Length = size then ValueSome bytes else ValueNone

let private metaKey (random: byte[]) (key: MetaKey) (parameters: Parameters) =
    let refuse reasons = refuse Request.MetaKey parameters reasons
    let size = parameters.Own.PublicHalf.Size
    let blinding, challenge = Array.splitAt (Rsa.blindingSize parameters.Own) random

    if key.Cipher = Cipher.none || key.Digest = Digest.none then
        refuse
            [ "Possible intruder "
              + parameters.Label
              + ": cipher "
              + key.Cipher.ToString()
              + ", digest "
              + key.Digest.ToString() ]
    else
        match exactly size key.Key with
        | ValueNone -> refuse [ "Possible intruder " + parameters.Label + ": wrong keylength" ]
        | ValueSome encrypted ->
            let block = Rsa.decrypt parameters.Own (ReadOnlySpan blinding) (ReadOnlySpan encrypted)

            let unknown what (nid: int) =
                [ "Unknown " + what + " nid " + nid.ToString() + "!"
                  "Error during initialisation of cipher or digest from " + parameters.Label ]

            match struct (block, StreamCipher.ofNid key.Cipher, Digest.ofNid key.Digest) with
            | struct (ValueNone, _, _) -> refuse [ "Error during decryption of meta key for " + parameters.Label ]
            | struct (_, ValueNone, _) -> refuse (unknown "cipher" key.Cipher)
            | struct (_, _, ValueNone) -> refuse (unknown "digest" key.Digest)
            | struct (ValueSome block, ValueSome cipher, ValueSome digest) ->
                let stream = StreamCipher.create cipher block
                Rsa.wipe block

                if stream.IsNone then
                    refuse [ "Error during initialisation of cipher or digest from " + parameters.Label ]
                else
                    let challenged = { Parameters = parameters; PeerDigest = digest; Challenge = challenge }

                    Ok
                        { Progress = Next(AwaitingChallenge challenged)
                          Decrypt = stream
                          Send = [ Message.Challenge(Convert.ToHexString challenge) ] }

let private challenge (text: string) (challenged: Challenged) =
    let parameters = challenged.Parameters
    let size = parameters.Own.PublicHalf.Size

    match exactly size text with
    | ValueNone when text.Length <> 2 * size ->
        refuse Request.Challenge parameters [ "Possible intruder " + parameters.Label + ": wrong challenge length" ]
    | ValueNone ->
        refuse
            Request.Challenge
            parameters
            [ "Got bad CHALLENGE from " + parameters.Label.Replace(" (", "(") + ": invalid challenge" ]
    | ValueSome bytes ->
        let answer =
            Message.ChalReply(Convert.ToHexString(Digest.hash challenged.PeerDigest (ReadOnlySpan bytes)))

        Ok
            { Progress = Next(AwaitingReply(challenged, answer))
              Decrypt = ValueNone
              Send = if parameters.IsInitiator then [ answer ] else [] }

let private reply (text: string) (challenged: Challenged) (answer: Message) =
    let parameters = challenged.Parameters
    let intruder what = refuse Request.ChalReply parameters [ "Possible intruder " + parameters.Label + ": " + what ]

    match exactly ownDigest.Size text with
    | ValueNone -> intruder "wrong challenge reply length"
    | ValueSome bytes ->
        let expected = Digest.hash ownDigest (ReadOnlySpan challenged.Challenge)

        if CryptographicOperations.FixedTimeEquals(ReadOnlySpan expected, ReadOnlySpan bytes) then
            Ok
                { Progress = Authenticated
                  Decrypt = ValueNone
                  Send = if parameters.IsInitiator then [] else [ answer ] }
        else
            intruder "wrong challenge reply"

let parameters (state: State) : Parameters =
    match state with
    | AwaitingMetaKey parameters -> parameters
    | AwaitingChallenge challenged
    | AwaitingReply(challenged, _) -> challenged.Parameters

/// The one request that may come now.
let permitted (state: State) : Permitted =
    match state with
    | AwaitingMetaKey _ -> Permitted.MetaKey
    | AwaitingChallenge _ -> Permitted.Challenge
    | AwaitingReply _ -> Permitted.ChalReply

/// What the peer's next request leads to, or what the log says before the connection ends. `random` has `receiveEntropy` bytes.
let receive (random: byte[]) (message: Message) (state: State) : Result<Step, LogLine list> =
    match struct (state, message) with
    | struct (AwaitingMetaKey parameters, Message.MetaKey key) -> metaKey random key parameters
    | struct (AwaitingChallenge challenged, Message.Challenge text) -> challenge text challenged
    | struct (AwaitingReply(challenged, answer), Message.ChalReply text) -> reply text challenged answer
    | _ -> Error [ line ("Unauthorized request from " + (parameters state).Label) ]

/// A reason for lines that make no sense, which stock does not give: behind METAKEY it is almost always this (spec 08 §24.12).
let hint (state: State) : LogLine voption =
    match state with
    | AwaitingChallenge challenged ->
        ValueSome(
            line (
                "The RSA keys that we and "
                + challenged.Parameters.Label
                + " have of each other do not belong to the private keys in use"
            )
        )
    | _ -> ValueNone
