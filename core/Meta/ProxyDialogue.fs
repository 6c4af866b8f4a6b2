/// What is said to a proxy, and how its answer is understood (spec 02 §17). Our ID follows the request at once; the peer's
/// follows the proxy's answer.
module TincPure.Meta.ProxyDialogue

open System
open System.Buffers.Binary
open System.Text
open TincPure.Primitives
open TincPure.Config

/// What the next bytes from the proxy are.
type Expected =
    /// An HTTP status line.
    | HttpStatus
    /// Header lines up to the empty one.
    | HttpHeaders
    | Socks4Reply
    /// The method that the server chose; we offered this one.
    | Socks5Method of offered: byte
    | Socks5Authentication
    | Socks5Reply

/// What became of the bytes that are there.
type Progress =
    /// So many were understood; this comes next.
    | Continue of consumed: int * Expected
    /// The rest is the peer's.
    | Granted of consumed: int
    | Incomplete
    | Refused of LogLine

let private error text : LogLine = { Level = DebugLevel.connections; Priority = Priority.Error; Text = text }

let private noAuthentication = 0uy
let private userAndPassword = 2uy

/// Longest answer that is waited for.
let private longestLine = 2048

let private port (target: Endpoint) : byte[] =
    let bytes = Array.zeroCreate 2
    BinaryPrimitives.WriteUInt16BigEndian(Span bytes, target.Port)
    bytes

let private address (target: Endpoint) : byte[] =
    let bytes = Array.zeroCreate (Ip.size target.Ip)
    Ip.write target.Ip (Span bytes)
    bytes

let private text (value: string) : byte[] = Encoding.Latin1.GetBytes value

let private withLength (value: string) : byte[] =
    let bytes = Array.truncate 255 (text value)
    Array.append [| byte bytes.Length |] bytes

/// IPv6 addresses stand in brackets, without which proxies cannot tell the port (stock sends none).
let private http (target: Endpoint) =
    let host = Ip.toText target.Ip
    let host = if target.Ip.IsV6 then "[" + host + "]" else host
    text ("CONNECT " + host + ":" + target.Port.ToString() + " HTTP/1.1\r\n\r\n")

let private socks4 (target: Endpoint) (user: string voption) (ip: byte[]) (name: byte[]) =
    Array.concat [ [| 4uy; 1uy |]; port target; ip; text (ValueOption.defaultValue "" user); [| 0uy |]; name ]

let private socks5 (target: Endpoint) (user: string voption) (password: string voption) =
    let request =
        Array.concat [ [| 5uy; 1uy; 0uy; (if target.Ip.IsV6 then 4uy else 1uy) |]; address target; port target ]

    match user, password with
    | ValueSome user, ValueSome password ->
        struct (Array.concat [ [| 5uy; 1uy; userAndPassword; 1uy |]; withLength user; withLength password; request ],
                userAndPassword)
    | _ -> struct (Array.append [| 5uy; 1uy; noAuthentication |] request, noAuthentication)

/// The request for a connection with `target`, and what answers it. Errors are what stock logs, and end the attempt.
let request (kind: ProxyKind) (user: string voption) (password: string voption) (target: Endpoint) =
    match kind with
    | ProxyKind.Http -> Ok struct (http target, HttpStatus)
    | ProxyKind.Socks4 when target.Ip.IsV6 -> Error(error "SOCKS 4 only supports IPv4 addresses")
    | ProxyKind.Socks4 -> Ok struct (socks4 target user (address target) [||], Socks4Reply)
    | ProxyKind.Socks4a ->
        // An impossible address says that a name follows; an address as text is as good as one.
        let name = Array.append (text (Ip.toText target.Ip)) [| 0uy |]
        Ok struct (socks4 target user [| 0uy; 0uy; 0uy; 1uy |] name, Socks4Reply)
    | ProxyKind.Socks5 ->
        let struct (bytes, offered) = socks5 target user password
        Ok struct (bytes, Socks5Method offered)

let private tryLine (bytes: ReadOnlySpan<byte>) : struct (string * int) voption =
    // Where portions end must make no difference: a longer line is refused even if its end is there.
    match bytes.Slice(0, min bytes.Length (longestLine + 1)).IndexOf '\n'B with
    | -1 -> ValueNone
    | length -> ValueSome struct (Encoding.Latin1.GetString(bytes.Slice(0, length)).TrimEnd '\r', length + 1)

let private unfinishedLine (bytes: ReadOnlySpan<byte>) =
    if bytes.Length > longestLine then
        Refused(error "Bogus data received from proxy")
    else
        Incomplete

/// `HTTP/1.x 2xx`; anything else is a refusal, whose reason is the rest of the line.
let private httpStatus (bytes: ReadOnlySpan<byte>) =
    match tryLine bytes with
    | ValueNone -> unfinishedLine bytes
    | ValueSome struct ("", consumed) -> Continue(consumed, HttpStatus)
    | ValueSome struct (line, consumed) ->
        let isHttp = line.StartsWith("HTTP/1.", StringComparison.OrdinalIgnoreCase) && line.Length > 9

        if isHttp && line[9] = '2' then
            Continue(consumed, HttpHeaders)
        elif isHttp then
            Refused
                { error ("Proxy request rejected: " + line.Substring 9) with
                    Level = DebugLevel.always
                    Priority = Priority.Debug }
        else
            Refused(error "Bogus data received from proxy")

let private httpHeaders (bytes: ReadOnlySpan<byte>) =
    match tryLine bytes with
    | ValueNone -> unfinishedLine bytes
    | ValueSome struct ("", consumed) -> Granted consumed
    | ValueSome struct (_, consumed) -> Continue(consumed, HttpHeaders)

let private socks4Reply (bytes: ReadOnlySpan<byte>) =
    if bytes.Length < 8 then Incomplete
    elif bytes[0] <> 0uy then Refused(error "Bad response from SOCKS4 proxy")
    elif bytes[1] <> 0x5auy then Refused(error "Proxy request rejected")
    else Granted 8

let private socks5Method (offered: byte) (bytes: ReadOnlySpan<byte>) =
    if bytes.Length < 2 then
        Incomplete
    elif bytes[0] <> 5uy then
        Refused(error "Invalid response from proxy server")
    elif bytes[1] = 0xffuy then
        Refused(error "Proxy request rejected: unsuitable authentication method")
    elif bytes[1] <> offered then
        Refused(error "Unsupported authentication method")
    elif offered = userAndPassword then
        Continue(2, Socks5Authentication)
    else
        Continue(2, Socks5Reply)

let private socks5Authentication (bytes: ReadOnlySpan<byte>) =
    if bytes.Length < 2 then
        Incomplete
    elif bytes[0] <> 1uy then
        Refused(error "Invalid proxy authentication protocol version")
    elif bytes[1] <> 0uy then
        Refused(error "Proxy authentication failed")
    else
        Continue(2, Socks5Reply)

/// The answer's length follows from its own address type, which may be another than that of the request.
let private socks5Reply (bytes: ReadOnlySpan<byte>) =
    let header = 4
    let portSize = 2

    if bytes.Length < header + 1 then
        Incomplete
    elif bytes[0] <> 5uy then
        Refused(error "Invalid response from proxy server")
    elif bytes[1] <> 0uy then
        Refused(error "Proxy request rejected")
    else
        let addressSize =
            match bytes[3] with
            | 1uy -> 4
            | 3uy -> 1 + int bytes[header]
            | 4uy -> 16
            | _ -> -1

        if addressSize < 0 then
            Refused(error ("Unsupported address type 0x" + bytes[3].ToString "x" + " from proxy server"))
        elif bytes.Length < header + addressSize + portSize then
            Incomplete
        else
            Granted(header + addressSize + portSize)

/// Looks at what has come from the proxy.
let receive (expected: Expected) (bytes: ReadOnlySpan<byte>) : Progress =
    match expected with
    | HttpStatus -> httpStatus bytes
    | HttpHeaders -> httpHeaders bytes
    | Socks4Reply -> socks4Reply bytes
    | Socks5Method offered -> socks5Method offered bytes
    | Socks5Authentication -> socks5Authentication bytes
    | Socks5Reply -> socks5Reply bytes

/// What stock logs when the proxy has granted the request.
let grantedLog: LogLine =
    { Level = DebugLevel.connections
      Priority = Priority.Debug
      Text = "Proxy request granted" }
