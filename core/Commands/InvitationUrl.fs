/// The text that a user hands to whom they invite (spec 06 §17, spec 01 §14.2).
module TincPure.Commands.InvitationUrl

open System
open System.Security.Cryptography
open System.Text
open TincPure.Primitives
open TincPure.Config
open TincPure.Node

type Url =
    {
        Host: string
        Port: string
        /// 18 bytes that tell which key the inviter will show.
        KeyHash: byte[]
        /// 18 bytes that open the invitation.
        Cookie: byte[]
    }

/// Where an inviter listens unless the URL says otherwise.
let private defaultPort = "655"

/// Characters of a hash or a cookie.
let private partLength = Base64.encodedLength Invitations.idSize

/// What a URL holds of a public key, given as its 43 characters.
let hashOfText (publicKeyText: string) : byte[] =
    SHA512.HashData(Encoding.Latin1.GetBytes publicKeyText) |> Array.truncate Invitations.idSize

let print (host: string) (port: string) (publicKey: byte[]) (cookie: byte[]) : string =
    let host = if host.Contains ':' then "[" + host + "]" else host

    String.Concat(
        [ host
          ":"
          port
          "/"
          Base64.encodeUrl (ReadOnlySpan(hashOfText (KeyFile.publicText publicKey)))
          Base64.encodeUrl (ReadOnlySpan cookie) ]
    )

/// Host, and port if there is one. A host in brackets may contain colons.
let private splitHost (text: string) : struct (string * string) voption =
    let port (after: string) =
        match after.IndexOf ':' with
        | 0 when after.Length > 1 -> after.Substring 1
        | _ -> defaultPort

    if text.StartsWith '[' then
        match text.IndexOf ']' with
        | -1 -> ValueNone
        | bracket -> ValueSome struct (text.Substring(1, bracket - 1), port (text.Substring(bracket + 1)))
    else
        match text.IndexOf ':' with
        | -1 -> ValueSome struct (text, defaultPort)
        | colon -> ValueSome struct (text.Substring(0, colon), port (text.Substring colon))

let private decodePart (text: string) : byte[] voption =
    match Base64.decode text with
    | ValueSome bytes when bytes.Length = Invitations.idSize -> ValueSome bytes
    | _ -> ValueNone

/// The URL that a text is, if it is one.
let tryParse (text: string) : Url voption =
    match text.IndexOf '/' with
    | -1 -> ValueNone
    | slash when text.Length - slash - 1 <> 2 * partLength -> ValueNone
    | slash ->
        let hash = decodePart (text.Substring(slash + 1, partLength))
        let cookie = decodePart (text.Substring(slash + 1 + partLength))

        match struct (splitHost (text.Substring(0, slash)), hash, cookie) with
        | struct (ValueSome struct (host, port), ValueSome hash, ValueSome cookie) ->
            ValueSome { Host = host; Port = port; KeyHash = hash; Cookie = cookie }
        | _ -> ValueNone
