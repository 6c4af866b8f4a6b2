/// Key files, and files with keys in them.
module TincPure.Fuzz.KeyFiles

open System
open System.Text
open TincPure.Config

let private key = Array.init 32 byte

let private pair = { Private = Array.init 64 (fun i -> byte (3 * i)); Public = key }

let private complaints (behaviour: Behaviour) (lines: string list) =
    for line in lines do
        behaviour.SawText line

let private disabled (behaviour: Behaviour) (text: string) (kind: KeyKind) =
    match KeyFile.disable kind text with
    | ValueNone -> behaviour.Saw "nothing to disable"
    | ValueSome changed ->
        let before = Syntax.rawLines text
        let after = Syntax.rawLines changed
        behaviour.Saw("disabled", changed.Length - text.Length)
        Target.check (before.Length = after.Length) "disabling a key changes the number of lines"

        for old, changed in List.zip before after do
            Target.check (changed = old || changed = "#" + old) "disabling a key changes other lines"

        let struct (key, _) = KeyFile.parsePublicBlock changed
        Target.check (kind <> Ed25519 || key.IsNone) "a disabled key is still there"

let private run (behaviour: Behaviour) (input: byte[]) =
    let text = Encoding.Latin1.GetString input
    let struct (pair, problems) = KeyFile.parsePrivate text
    complaints behaviour problems

    match pair with
    | ValueSome pair ->
        behaviour.Saw "pair"
        Target.check (pair.Private.Length = 64 && pair.Public.Length = 32) "a key of the wrong size"
        let struct (again, problems) = KeyFile.parsePrivate (KeyFile.printPrivate pair)
        Target.check (again = ValueSome pair && problems.IsEmpty) "a key pair printed is another"
    | ValueNone -> ()

    let struct (key, problems) = KeyFile.parsePublicBlock text
    complaints behaviour problems

    match key with
    | ValueSome key ->
        behaviour.Saw "key"
        Target.check (KeyFile.parsePublic (KeyFile.publicText key) = Ok key) "a public key printed is another"
    | ValueNone -> ()

    for line in Syntax.rawLines text do
        match KeyFile.parsePublic (line.TrimEnd('\r', '\n')) with
        | Ok key -> Target.check (key.Length = 32) "a public key of the wrong size"
        | Error problem -> behaviour.SawText problem

    disabled behaviour text Ed25519
    disabled behaviour text Rsa

let private seeds () =
    [ KeyFile.printPrivate pair
      KeyFile.printPublic key
      KeyFile.printPublicBlock key
      "Subnet = 10.0.0.0/8\n" + KeyFile.printPublicBlock key + "Address = x\n"
      "-----BEGIN RSA PUBLIC KEY-----\nMIIB\n-----END RSA PUBLIC KEY-----\n" + KeyFile.printPublic key ]
    |> List.map Encoding.Latin1.GetBytes

let target =
    { Target.create "key-files" "a key is right or refused; disabling it leaves other lines alone" seeds run with
        Words =
            [ "-----BEGIN ED25519 PRIVATE KEY-----\n"
              "-----END ED25519 PRIVATE KEY-----\n"
              "-----BEGIN ED25519 PUBLIC KEY-----\n"
              "-----END "
              "-----BEGIN "
              " RSA "
              " ED25519 "
              "Ed25519PublicKey"
              "ED25519PUBLICKEY="
              "#"
              "\r\n"
              "\n"
              "=" ] }
