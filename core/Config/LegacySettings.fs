/// What of the legacy protocol's settings protects too little: said once, at the start, with the remedy.
module internal TincPure.Config.LegacySettings

open TincPure.Primitives
open TincPure.Crypto.Legacy

/// What the warnings begin with.
let prefix = "Weak setting: "

let private cipherWarning (cipher: Cipher voption) : string list =
    match cipher with
    | ValueNone -> [ "Cipher = none sends packets of legacy nodes in the clear; remove it for aes-256-cbc" ]
    | ValueSome cipher when cipher.InnerBlock < 16 ->
        [ "Cipher = "
          + cipher.Name
          + " has blocks of 64 bits, which repeat after some gigabytes; remove it for aes-256-cbc" ]
    | ValueSome({ Mode = Ecb | Ofb } as cipher) ->
        [ "Cipher = "
          + cipher.Name
          + " shows where packets are equal; use a cipher in CBC mode such as aes-256-cbc" ]
    | ValueSome _ -> []

let private digestWarning (algorithms: PacketAlgorithms) : string list =
    match algorithms.Digest with
    | ValueNone -> [ "Digest = none lets anybody forge packets of legacy nodes; remove it for sha256" ]
    | ValueSome _ when algorithms.MacLength = 0 ->
        [ "MACLength = 0 lets anybody forge packets of legacy nodes; remove it, or set it to 16" ]
    | ValueSome { Name = "md5" } -> [ "Digest = md5 is broken; remove it for sha256" ]
    | ValueSome _ -> []

let private keyWarning (settings: Settings) : string list =
    let isShort (bits: int) = bits < Rsa.recommendedBits
    let renew = "; make a new pair with `tinc generate-rsa-keys'"

    let own =
        match settings.RsaKey with
        | ValueSome key when isShort key.PublicHalf.Bits ->
            [ "our RSA key has only " + key.PublicHalf.Bits.ToString() + " bits" + renew ]
        | _ -> []

    let others =
        [ for KeyValue(name, host) in settings.Hosts do
              match host.RsaKey with
              // A node whose Ed25519 key we have is not spoken to with its RSA key.
              | ValueSome key when isShort key.Bits && (host.PublicKey.IsNone || settings.PrivateKey.IsNone) ->
                  name.Text + " (" + key.Bits.ToString() + " bits)"
              | _ -> () ]

    if others.IsEmpty then
        own
    else
        own @ [ "short RSA keys of " + System.String.Join(", ", others) + renew + " there" ]

let private weaknesses (settings: Settings) : string list =
    if settings.RsaKey.IsNone then
        []
    else
        cipherWarning settings.PacketAlgorithms.Cipher
        @ digestWarning settings.PacketAlgorithms
        @ keyWarning settings

/// One warning for each weakness.
let warn (settings: Settings) (reader: Reader) : unit =
    for weakness in weaknesses settings do
        reader.Say(Priority.Warning, prefix + weakness)
