namespace TincPure.Meta

open TincPure.Primitives

/// Which request a connection may send now (spec 02 §5.1). ACK has a form of its own in each kind of connection.
[<RequireQualifiedAccess>]
type Permitted =
    | Id
    | MetaKey
    | Challenge
    | ChalReply
    | Ack
    | AckUpgrade
    | AckControl
    | AckInvitation
    | TermReq
    | Control
    /// A node connection after ACK. The authentication requests are over by then: stock daemons let them through to
    /// handlers that crash (spec 02 §22.1).
    | All

/// Why a line closes the connection.
[<RequireQualifiedAccess>]
type ParseError =
    /// Does not begin with a number.
    | Bogus
    /// No such request, or none that has a handler.
    | Unknown of line: string
    /// Not what the connection may send now.
    | Unauthorized
    /// CONTROL on a node connection.
    | UnauthorizedControl
    /// Fewer fields than needed, or a number that is none.
    | BadSyntax of Request
    | InvalidName of Request
    | InvalidSubnet of Request
    /// MTU_INFO with less than any path carries.
    | InvalidMtu

module ParseError =

    /// What a stock daemon logs before it closes the connection; `peer` is `NAME (HOSTNAME)` (spec 02 §3.2, §9).
    let log (peer: string) (error: ParseError) : LogLine list =
        let line text : LogLine = { Level = DebugLevel.always; Priority = Priority.Error; Text = text }

        let bad request reason =
            let name = Request.name request

            [ line ("Got bad " + name + " from " + peer + reason)
              line ("Error while processing " + name + " from " + peer) ]

        match error with
        | ParseError.Bogus -> [ line ("Bogus data received from " + peer) ]
        | ParseError.Unknown text ->
            [ { Level = DebugLevel.meta
                Priority = Priority.Debug
                Text = "Unknown request from " + peer + ": " + text } ]
        | ParseError.Unauthorized -> [ line ("Unauthorized request from " + peer) ]
        | ParseError.UnauthorizedControl ->
            [ line ("Unauthorized control request from " + peer)
              line ("Error while processing CONTROL from " + peer) ]
        | ParseError.BadSyntax request -> bad request ""
        | ParseError.InvalidName request -> bad request ": invalid name"
        | ParseError.InvalidSubnet request -> bad request ": invalid subnet string"
        | ParseError.InvalidMtu -> bad Request.MtuInfo ": invalid MTU"
