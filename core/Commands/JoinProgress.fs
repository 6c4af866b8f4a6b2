/// How far a join has come: kept beside the files until all is done, so that the next `join` of the same URL goes on where this one
/// was interrupted. A cookie is good for once only, so that what came with it must not get lost.
module TincPure.Commands.JoinProgress

open System
open System.Security.Cryptography

/// The name of the file.
let fileName = "invitation-progress"

type Progress =
    {
        /// Tells URLs apart, and tells nobody the cookie.
        Invitation: string
        /// The inviter has our key.
        Accepted: bool
    }

/// What stands for a URL.
let ofUrl (url: InvitationUrl.Url) : string =
    Array.append url.KeyHash url.Cookie |> SHA256.HashData |> Convert.ToHexStringLower

let print (progress: Progress) : string =
    progress.Invitation + (if progress.Accepted then " accepted\n" else " stored\n")

let tryParse (text: string) : Progress voption =
    match text.TrimEnd('\n').Split ' ' with
    | [| invitation; ("accepted" | "stored") as state |] ->
        ValueSome { Invitation = invitation; Accepted = state = "accepted" }
    | _ -> ValueNone

/// To be said when what is on disk has been made whole: lines for the user.
let said (command: string) (progress: Progress) : string list =
    if progress.Accepted then
        [ "The interrupted join is complete: the inviter has this node's key." ]
    else
        [ "The interrupted join is complete here, but the inviter may not have got this node's key, and an invitation is good for once only."
          "If the inviter refuses this node, let it run `tinc import' with what `"
          + command
          + " export' prints here." ]
