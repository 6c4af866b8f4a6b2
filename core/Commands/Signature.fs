/// `tinc sign` and `tinc verify`: a text with a signed line in front of it (spec 06 §14, spec 01 §14.4). Texts are byte
/// texts.
module TincPure.Commands.Signature

open System
open System.Globalization
open System.Text
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Config

/// Longest first line, its newline included.
let private longestHeader = 2048

let private signatureLength = Base64.encodedLength Ed25519.SignatureSize

/// What a first line says of the text behind it.
type Header =
    {
        Signer: NodeName
        /// When it was signed, as UNIX time.
        Time: int64
        /// 86 characters, perhaps of base64.
        Signature: string
    }

/// What the signature covers: nothing of the text can be changed, nor who signed it and when.
let private covered (signer: NodeName) (time: int64) (text: string) : byte[] =
    Encoding.Latin1.GetBytes(text + " " + signer.Text + " " + time.ToString CultureInfo.InvariantCulture)

/// The text with its signature in front.
let sign (key: KeyPair) (signer: NodeName) (time: int64) (text: string) : string =
    let signature =
        Ed25519.sign (ReadOnlySpan key.Private) (ReadOnlySpan key.Public) (ReadOnlySpan(covered signer time text))

    "Signature = "
    + signer.Text
    + " "
    + time.ToString CultureInfo.InvariantCulture
    + " "
    + Base64.encode (ReadOnlySpan signature)
    + "\n"
    + text

let private whiteSpace = [| ' '; '\t'; '\n'; '\v'; '\f'; '\r' |]

/// The first line and the text behind it, if that line is one of a signature.
let parse (input: string) : struct (Header * string) voption =
    match input.AsSpan(0, min longestHeader input.Length).IndexOf '\n' with
    | -1 -> ValueNone
    | newline ->
        let words = input.Substring(0, newline).Split(whiteSpace, StringSplitOptions.RemoveEmptyEntries)

        match words with
        | [| "Signature"; "="; signer; time; signature |] when signature.Length = signatureLength ->
            match
                struct (NodeName.tryParse signer,
                        Int64.TryParse(time, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture))
            with
            | struct (ValueSome signer, (true, time)) when time <> 0L ->
                ValueSome struct ({ Signer = signer; Time = time; Signature = signature }, input.Substring(newline + 1))
            | _ -> ValueNone
        | _ -> ValueNone

/// True if the holder of the key signed the text.
let verifies (publicKey: byte[]) (header: Header) (text: string) : bool =
    match Base64.decode header.Signature with
    | ValueNone -> false
    | ValueSome signature ->
        Ed25519.verify
            (ReadOnlySpan publicKey)
            (ReadOnlySpan(covered header.Signer header.Time text))
            (ReadOnlySpan signature)

/// The public key in a host file: its first Ed25519PublicKey line, else its block.
let hostKey (hostFile: string) : byte[] voption =
    let line =
        Syntax.rawLines hostFile
        |> List.tryPick (fun line ->
            match Syntax.split (OwnNode.trimEnd line) with
            | struct (variable, value) when ByteText.same variable "Ed25519PublicKey" -> Some value
            | _ -> None)

    match line with
    | Some text -> KeyFile.parsePublic text |> Result.toValueOption
    | None ->
        let struct (key, _) = KeyFile.parsePublicBlock hostFile
        key
