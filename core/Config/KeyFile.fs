namespace TincPure.Config

open System
open TincPure.Primitives

/// An Ed25519 key pair as tinc keeps it: the expanded private key (64 bytes) and the public key (32 bytes).
type KeyPair = { Private: byte[]; Public: byte[] }

type KeyKind =
    | Ed25519
    | Rsa

/// Key files and key texts (spec 01 §4). Texts are byte texts, see `ByteText`.
module KeyFile =

    let publicKeySize = 32

    let private pairSize = 96

    let private bytesPerLine = 48

    let private privateType = "ED25519 PRIVATE KEY"

    let private publicType = "ED25519 PUBLIC KEY"

    let private starts (prefix: string) (line: string) = line.StartsWith(prefix, StringComparison.Ordinal)

    let private pem (kind: string) (bytes: byte[]) =
        let lines =
            bytes
            |> Array.chunkBySize bytesPerLine
            |> Array.map (fun chunk -> Base64.encode (ReadOnlySpan chunk) + "\n")

        String.Concat("-----BEGIN " + kind + "-----\n", String.Concat lines, "-----END " + kind + "-----\n")

    /// The block of a private key file.
    let printPrivate (pair: KeyPair) : string = pem privateType (Array.append pair.Private pair.Public)

    /// A public key as a block, the form that `fsck` appends to host files.
    let printPublicBlock (key: byte[]) : string = pem publicType key

    /// A public key as text: 43 characters.
    let publicText (key: byte[]) : string = Base64.encode (ReadOnlySpan key)

    /// A public key as a line of a host file.
    let printPublic (key: byte[]) : string = "Ed25519PublicKey = " + publicText key + "\n"

    /// The key that a text of 43 characters stands for, or the reference's words about it (spec 01 §4.1).
    let parsePublic (text: string) : Result<byte[], string> =
        let expected = Base64.encodedLength publicKeySize

        if text.Length <> expected then
            Error("Invalid size " + text.Length.ToString() + " for public key!")
        else
            match Base64.decode text with
            | ValueSome key when key.Length = publicKeySize -> Ok key
            | ValueSome key -> Error("Invalid format of public key! len = " + key.Length.ToString())
            | ValueNone -> Error "Invalid format of public key! len = 0"

    /// The first block of that kind, and what the reference logs about it. Complaints about what follows a complete
    /// key do not spoil it (spec 01 §4.2).
    let private parseBlock (kind: string) (size: int) (text: string) : struct (byte[] voption * string list) =
        let rec collect (bytes: byte[]) lines =
            let finish complaint = struct ((if bytes.Length = size then ValueSome bytes else ValueNone), complaint)

            let tooLittle = if bytes.Length < size then [ "Too little base64 data in PEM file" ] else []

            match lines with
            | [] -> finish tooLittle
            | line :: _ when starts "-----END " line -> finish tooLittle
            | (line: string) :: rest ->
                match Base64.decode (line.TrimEnd('\n').Split('\r')[0]) with
                | ValueNone -> finish [ "Invalid base64 data in PEM file" ]
                | ValueSome more when bytes.Length + more.Length > size -> finish [ "Too much base64 data in PEM file" ]
                | ValueSome more -> collect (Array.append bytes more) rest

        match Syntax.rawLines text |> List.skipWhile (fun line -> not (starts ("-----BEGIN " + kind) line)) with
        | [] -> struct (ValueNone, [])
        | _ :: body -> collect [||] body

    /// A private key file's key pair, and what there is to complain about.
    let parsePrivate (text: string) : struct (KeyPair voption * string list) =
        let struct (bytes, complaints) = parseBlock privateType pairSize text

        let pair =
            bytes
            |> ValueOption.map (fun bytes ->
                { Private = Array.take (pairSize - publicKeySize) bytes
                  Public = Array.skip (pairSize - publicKeySize) bytes })

        struct (pair, complaints)

    /// The public key block in a file, and what there is to complain about.
    let parsePublicBlock (text: string) : struct (byte[] voption * string list) =
        parseBlock publicType publicKeySize text

    let private isPublicKeyLine (line: string) =
        let struct (variable, _) = Syntax.split (line.TrimEnd('\r', '\n'))

        ByteText.same variable "Ed25519PublicKey"
        && line.AsSpan(variable.Length).IndexOfAny(' ', '\t', '=') = 0

    /// The text with `#` in front of every line of its keys of that kind; nothing if it has none (spec 01 §4.4).
    let disable (kind: KeyKind) (text: string) : string voption =
        let marker =
            match kind with
            | Ed25519 -> " ED25519 "
            | Rsa -> " RSA "

        let line (struct (inBlock, found, lines)) (raw: string) =
            let opens = starts "-----BEGIN " raw && raw.Contains(marker, StringComparison.Ordinal)

            if inBlock || opens then
                struct (not (starts "-----END " raw), true, "#" + raw :: lines)
            elif kind = Ed25519 && isPublicKeyLine raw then
                struct (false, true, "#" + raw :: lines)
            else
                struct (false, found, raw :: lines)

        let struct (_, found, lines) = List.fold line (struct (false, false, [])) (Syntax.rawLines text)

        if found then ValueSome(String.Concat(List.rev lines)) else ValueNone
