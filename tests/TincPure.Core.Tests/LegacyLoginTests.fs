/// The legacy authentication against recorded handshakes and recorded misbehaviour.
module TincPure.Core.Tests.LegacyLoginTests

open System
open System.Text
open System.Text.Json
open TincPure.Primitives
open TincPure.Crypto.Legacy
open TincPure.Meta
open TincPure.Core.Tests.Vectors
open Xunit
open Xunit.Abstractions

let private some (what: string) (value: 'a voption) : 'a =
    match value with
    | ValueSome value -> value
    | ValueNone -> failwith ("no " + what)

let private ok (result: Result<'a, LogLine list>) : 'a =
    match result with
    | Ok value -> value
    | Error lines -> failwith (String.Join("; ", lines |> List.map _.Text))

let private handshakes = lazy (load "08-legacy-handshakes.json")

let private keyOf (name: string) : RsaPrivateKey =
    let keys = handshakes.Value.GetProperty "rsa_keys"
    RsaText.parsePrivate (text "private_pem" (keys.GetProperty name)) |> some name

let private blinding (parameters: LegacyLogin.Parameters) =
    Array.init (Rsa.blindingSize parameters.Own) (fun i -> byte i + 1uy)

/// One side of a recorded handshake, fed with what the other sent, up to ACK. Everything that it sends must be what was recorded.
let private replay (handshake: JsonElement) (isClient: bool) =
    let own = handshake.GetProperty(if isClient then "client" else "server")
    let other = handshake.GetProperty(if isClient then "server" else "client")
    let sent = handshake.GetProperty(if isClient then "c2s" else "s2c")
    let received = handshake.GetProperty(if isClient then "s2c" else "c2s")
    let raw = bytes "raw" sent
    let clear = number "clear_prefix_length" sent

    let parameters: LegacyLogin.Parameters =
        { IsInitiator = isClient
          Own = keyOf (text "rsa_key" own)
          Peer = (keyOf (text "rsa_key" other)).PublicHalf
          Label = "b (10.8.0.2 port 1)" }

    let sentLines = items "lines" sent |> List.map (fun line -> line.GetString() |> string)
    let cipher = StreamCipher.ofNid (int (sentLines[1].Split(' ')[1])) |> some "cipher"

    let struct (metaKey, stream, state) =
        LegacyLogin.start cipher (bytes "metakey_plaintext" sent) parameters |> some "METAKEY"

    let mutable output = Encoding.ASCII.GetBytes(sentLines[0] + "\n" + Print.line metaKey + "\n")
    Assert.Equal<byte>(raw[.. clear - 1], output)

    let mutable sending = stream
    let mutable state = ValueSome state

    let send (line: string) =
        let struct (encrypted, rest) =
            StreamCipher.encrypt (ReadOnlySpan(Encoding.ASCII.GetBytes(line + "\n"))) sending |> some "budget"

        sending <- rest
        output <- Array.append output encrypted

    // The peer's stream, in bytes as they came: the rest behind METAKEY is decrypted when that is there.
    let mutable framing = Framing.receive (bytes "raw" received) Framing.start
    let random = Array.append (blinding parameters) (bytes "challenge" sent)

    let next () =
        let struct (framed, rest) = Framing.next framing
        framing <- rest

        match framed with
        | Line line -> line
        | other -> failwith (string other)

    Assert.StartsWith("0 ", next ())
    let mutable lines = 1

    while state.IsSome do
        let line = next ()
        lines <- lines + 1
        let current = some "state" state

        match Parse.line (LegacyLogin.permitted current) line with
        | Error error -> failwith (string error)
        | Ok message ->
            let step = LegacyLogin.receive random message current |> ok
            List.iter (Print.line >> send) step.Send

            match step.Decrypt with
            | ValueSome stream ->
                framing <-
                    Framing.mapRest
                        (fun bytes ->
                            let struct (plain, _) = StreamCipher.decrypt (ReadOnlySpan bytes) stream |> some "budget"
                            plain)
                        framing
            | ValueNone -> ()

            state <-
                match step.Progress with
                | LegacyLogin.Next state -> ValueSome state
                | LegacyLogin.Authenticated -> ValueNone

    // What follows is not the authentication's business, but its cipher's.
    for line in List.skip 4 sentLines do
        send line

    Assert.Equal(Convert.ToHexStringLower raw, Convert.ToHexStringLower output)

    for line in items "lines" received |> List.skip lines do
        Assert.Equal(line.GetString(), next ())

[<Fact>]
let ``recorded handshakes replay byte for byte on both sides`` () =
    let names = ResizeArray()

    for handshake in items "handshakes" handshakes.Value do
        names.Add(text "name" handshake)
        replay handshake false

        // The client of this one announces sha1, as nobody has done since 1.0.30.
        if text "name" handshake <> "h3" then
            replay handshake true

    Assert.Equal<string>([ "h2"; "h1"; "h5"; "h6"; "h3"; "t1" ], names)

// ---- Misbehaviour

let private parametersOf isInitiator : LegacyLogin.Parameters =
    { IsInitiator = isInitiator
      Own = keyOf "2048_A"
      Peer = (keyOf "2048_B").PublicHalf
      Label = "b (10.8.0.2 port PORT)" }

let private random =
    lazy (Array.init (LegacyLogin.receiveEntropy (parametersOf false)) (fun i -> byte (7 * i)))

let private goodMetaKey: Lazy<MetaKey> =
    lazy
        (let block = Array.init 256 (fun i -> if i = 0 then 0x55uy else byte i)
         let encrypted = Rsa.encrypt (keyOf "2048_A").PublicHalf (ReadOnlySpan block) |> some "METAKEY"

         { Cipher = 429
           Digest = 672
           MacLength = 0
           Compression = 0
           Key = Convert.ToHexString encrypted })

let private logOf (result: Result<LegacyLogin.Step, LogLine list>) : string list =
    match result with
    | Ok _ -> []
    | Error lines -> lines |> List.map _.Text

let private receive (line: string) (state: LegacyLogin.State) =
    match Parse.line (LegacyLogin.permitted state) line with
    | Ok message -> LegacyLogin.receive random.Value message state
    | Error error -> Error(ParseError.log "b (10.8.0.2 port PORT)" error)

let private metaKeyLine (change: MetaKey -> MetaKey) = Print.line (Message.MetaKey(change goodMetaKey.Value))

let private next (result: Result<LegacyLogin.Step, LogLine list>) =
    match (ok result).Progress with
    | LegacyLogin.Next state -> state
    | LegacyLogin.Authenticated -> failwith "authenticated"

let private challenging () = receive (metaKeyLine id) (LegacyLogin.AwaitingMetaKey(parametersOf false)) |> next

let private replying () = receive ("2 " + String('5', 512)) (challenging ()) |> next

let private goodReply () =
    let challenge = Array.skip (Rsa.blindingSize (keyOf "2048_A")) random.Value
    Convert.ToHexString(Digest.hash Digest.sha256 (ReadOnlySpan challenge))

/// What each recorded stimulus is here.
let private stimulate (case: string) : Result<LegacyLogin.Step, LogLine list> voption =
    let metaKey change = ValueSome(receive (metaKeyLine change) (LegacyLogin.AwaitingMetaKey(parametersOf false)))
    let challenge text = ValueSome(receive ("2 " + text) (challenging ()))
    let reply text = ValueSome(receive ("3 " + text) (replying ()))

    match case with
    | "null_cipher" -> metaKey (fun key -> { key with Cipher = 0 })
    | "null_digest" -> metaKey (fun key -> { key with Digest = 0 })
    | "unk_cipher" -> metaKey (fun key -> { key with Cipher = 99999 })
    | "unk_digest" -> metaKey (fun key -> { key with Digest = 99999 })
    | "digest_as_cipher" -> metaKey (fun key -> { key with Cipher = 672 })
    | "short_key" -> metaKey (fun key -> { key with Key = key.Key.Substring 2 })
    | "nonhex_key" -> metaKey (fun key -> { key with Key = String('Z', 512) })
    | "key_ge_n" -> metaKey (fun key -> { key with Key = String('F', 512) })
    | "fields4" -> ValueSome(receive "1 429 672 0 0" (LegacyLogin.AwaitingMetaKey(parametersOf false)))
    | "maclen_bogus" -> metaKey (fun key -> { key with MacLength = 33 })
    | "maclen_neg" -> metaKey (fun key -> { key with MacLength = -1 })
    | "comp99" -> metaKey (fun key -> { key with Compression = 99 })
    | "md5" -> metaKey (fun key -> { key with Digest = 4 })
    | "zero_pt" -> metaKey (fun key -> { key with Key = String('0', 512) })
    | "badchal" -> challenge (String('5', 510))
    | "badreply" -> reply (String('0', 64))
    | "shortreply" -> reply (goodReply().Substring 2)
    | "nonhexreply" -> reply (String('Z', 64))
    | "lowerreply" -> reply (goodReply().ToLowerInvariant())
    | _ -> ValueNone

/// Where we do better than the newest 1.1, or differ from it on purpose (spec 08 §5, §25).
let private better =
    Map
        [ "cbc_cipher", "a cipher that pads cannot encrypt a stream: refused at once"
          "gcm_cipher", "an authenticated mode cannot either"
          "bf_ofb_sha1", "our own Blowfish lets nodes before 1.0.30 in"
          "long_key", "keys that are too long are refused, as by 1.0"
          "nonhexchal", "challenges that are no numbers are refused, as by 1.0" ]

/// Not the business of METAKEY, CHALLENGE and CHAL_REPLY: ID and ACK have their own tests.
let private elsewhere =
    set
        [ "badname"
          "selfname"
          "unknown"
          "nohost_key"
          "v16"
          "v18"
          "idmissing"
          "skipid"
          "garbage"
          "waitresponder"
          "ok_lower" ]

type MisbehaviourTests(output: ITestOutputHelper) =

    [<Fact>]
    member _.``misbehaviour is logged as by the newest 1.1``() =
        for case in items "cases" (load "08-legacy-auth-errors.json") do
            let name = text "case" case
            let stock = case.GetProperty "1.1"

            match stimulate name with
            | ValueSome result ->
                let expected = items "log" stock |> List.map (fun line -> line.GetString() |> string)

                let expected =
                    expected |> List.filter (fun line -> not (line.StartsWith("OpenSSL", StringComparison.Ordinal)))

                Assert.Equal<string list>(expected, logOf result)
                Assert.Equal(stock.GetProperty("accepted").GetBoolean(), Result.isOk result)
            | ValueNone ->
                match better.TryFind name with
                | Some reason -> output.WriteLine(name + ": " + reason)
                | None ->
                    output.WriteLine(name + ": tested where ID, ACK and whole connections are")
                    Assert.True(elsewhere.Contains name, name)

[<Fact>]
let ``what stock daemons let pass and should not is refused`` () =
    let start = LegacyLogin.AwaitingMetaKey(parametersOf false)

    for cipher in [ 427; 901; 904; 1019; 91; 753 ] do
        Assert.True(Result.isError (receive (metaKeyLine (fun key -> { key with Cipher = cipher })) start))

    Assert.True(Result.isError (receive (metaKeyLine (fun key -> { key with Key = key.Key + "00" })) start))
    Assert.Equal<string list>(
        [ "Got bad CHALLENGE from b(10.8.0.2 port PORT): invalid challenge"
          "Error while processing CHALLENGE from b (10.8.0.2 port PORT)" ],
        logOf (receive ("2 " + String('Z', 512)) (challenging ()))
    )
    Assert.True(Result.isOk (receive (metaKeyLine (fun key -> { key with Cipher = 94; Digest = 64 })) start))

[<Fact>]
let ``a responder says nothing about the challenge before the peer has answered its own`` () =
    let step = receive ("2 " + String('5', 512)) (challenging ()) |> ok
    Assert.Empty step.Send
    let step = receive ("3 " + goodReply ()) (replying ()) |> ok
    Assert.Single step.Send |> ignore
    Assert.Equal(LegacyLogin.Authenticated, step.Progress)

[<Fact>]
let ``whatever number a METAKEY holds, the peer sees the same: one challenge`` () =
    let start = LegacyLogin.AwaitingMetaKey(parametersOf false)
    let modulus = (parametersOf false).Own.PublicHalf.Modulus
    let size = (parametersOf false).Own.PublicHalf.Size
    let random = Random 21

    let hexOf (value: System.Numerics.BigInteger) =
        Convert.ToHexString(value.ToByteArray(isUnsigned = true, isBigEndian = true)).PadLeft(2 * size, '0')

    let numbers =
        [ System.Numerics.BigInteger.Zero
          System.Numerics.BigInteger.One
          modulus - System.Numerics.BigInteger.One
          for _ in 1..8 do
              let bytes = Array.zeroCreate<byte> size
              random.NextBytes bytes
              System.Numerics.BigInteger(ReadOnlySpan bytes, isUnsigned = true) % modulus ]

    for number in numbers do
        let step = receive (metaKeyLine (fun key -> { key with Key = hexOf number })) start |> ok

        match step.Send with
        | [ Message.Challenge text ] -> Assert.Equal(2 * size, text.Length)
        | other -> Assert.Fail(string other)

[<Fact>]
let ``every wrong reply is answered alike, however much of it is right`` () =
    let good = goodReply ()
    let expected = logOf (receive ("3 " + String('0', good.Length)) (replying ()))
    Assert.NotEmpty expected

    for at in 0 .. good.Length - 1 do
        let wrong = if good[at] = '0' then '1' else '0'
        let reply = good.Substring(0, at) + string wrong + good.Substring(at + 1)
        Assert.Equal<string list>(expected, logOf (receive ("3 " + reply) (replying ())))

[<Fact>]
let ``in each state only one request is allowed`` () =
    let states = [ LegacyLogin.AwaitingMetaKey(parametersOf false); challenging (); replying () ]

    for state, own in List.zip states [ "1"; "2"; "3" ] do
        for number in [ "0"; "1"; "2"; "3"; "4"; "7"; "8"; "12"; "16"; "17" ] do
            if number <> own then
                Assert.Equal<string list>(
                    [ "Unauthorized request from b (10.8.0.2 port PORT)" ],
                    logOf (receive (number + " b 17 1 1 1 1 1 1 1 1") state)
                )

[<Fact>]
let ``the cipher of the meta connection follows from that of packets`` () =
    let choice name = (LegacyLogin.streamCipher (Cipher.ofName name)).Nid
    Assert.Equal(421, choice "none")
    Assert.Equal(421, choice "aes-128-ecb")
    Assert.Equal(425, choice "bf-cbc")
    Assert.Equal(429, choice "aes-128-cbc")
    Assert.Equal(429, choice "aes-256-cbc")
