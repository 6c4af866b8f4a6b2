/// What is said to the router that a home network hangs on, so that it lets peers through (UPnP; spec 07 §21). Texts only:
/// the host carries them.
module TincPure.PortMapping.Upnp

open System
open TincPure.Config

/// Where routers listen for searches.
let searchAddress = "239.255.255.250"
let searchPort = 1900

/// Routers must not send us more than this.
let maxAnswer = 64 * 1024

type Protocol =
    | Tcp
    | Udp

/// The service of a router that maps ports.
type Gateway = { ServiceType: string; ControlUrl: string }

/// One mapping; external and internal port are the same.
type Mapping =
    { Protocol: Protocol
      Port: int
      Client: string
      Description: string
      LeaseSeconds: int }

let private devices =
    [ "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
      "urn:schemas-upnp-org:device:InternetGatewayDevice:2"
      "urn:schemas-upnp-org:service:WANIPConnection:1"
      "urn:schemas-upnp-org:service:WANPPPConnection:1"
      "upnp:rootdevice" ]

let private services =
    [ "urn:schemas-upnp-org:service:WANIPConnection:1"
      "urn:schemas-upnp-org:service:WANIPConnection:2"
      "urn:schemas-upnp-org:service:WANPPPConnection:1" ]

/// One search for devices or services of a kind, to be answered within so many seconds.
let search (target: string) (seconds: int) : string =
    "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nST: "
    + target
    + "\r\nMAN: \"ssdp:discover\"\r\nMX: "
    + seconds.ToString()
    + "\r\n\r\n"

/// All searches, to be sent at once.
let searches (settings: Settings) : string list =
    devices |> List.map (fun target -> search target settings.UpnpDiscoverWait)

/// The protocols whose ports are to be mapped.
let protocols (settings: Settings) : Protocol list =
    match settings.Upnp with
    | NoUpnp -> []
    | UdpOnly -> [ Udp ]
    | TcpAndUdp -> [ Tcp; Udp ]

/// The mapping of a port: it ends by itself two rounds after the last refresh.
let mapping (settings: Settings) (identity: string) (client: string) (port: int) (protocol: Protocol) : Mapping =
    { Protocol = protocol
      Port = port
      Client = client
      Description = identity
      LeaseSeconds = 2 * settings.UpnpRefreshPeriod }

let protocolName (protocol: Protocol) =
    match protocol with
    | Tcp -> "TCP"
    | Udp -> "UDP"

/// The description's URL in the answer to a search: only by HTTP, and only at the router that answered.
let location (answer: string) (from: string) : Uri voption =
    let lines = answer.Split([| '\r'; '\n' |], StringSplitOptions.RemoveEmptyEntries)

    if
        lines.Length = 0
        || not (lines[0].StartsWith("HTTP/1.", StringComparison.Ordinal) && lines[0].Contains " 200")
    then
        ValueNone
    else
        lines
        |> Array.tryPick (fun line ->
            match line.IndexOf ':' with
            | colon when
                colon > 0 && line.Substring(0, colon).Trim().Equals("LOCATION", StringComparison.OrdinalIgnoreCase)
                ->
                match Uri.TryCreate(line.Substring(colon + 1).Trim(), UriKind.Absolute) with
                | true, NonNull url when url.Scheme = "http" && url.Host = from -> Some url
                | _ -> None
            | _ -> None)
        |> ValueOption.ofOption

/// The text between the first pair of these tags from `start` on, and where it ends. No entities, attributes or nesting.
let private element (name: string) (text: string) (start: int) : struct (string * int) voption =
    let opening = "<" + name + ">"
    let first = text.IndexOf(opening, start, StringComparison.Ordinal)

    if first < 0 then
        ValueNone
    else
        let inner = first + opening.Length

        match text.IndexOf("</" + name + ">", inner, StringComparison.Ordinal) with
        | -1 -> ValueNone
        | last -> ValueSome(struct (text.Substring(inner, last - inner).Trim(), last))

let private textOf name text =
    match element name text 0 with
    | ValueSome(struct (found, _)) -> ValueSome found
    | ValueNone -> ValueNone

let rec private findService (baseUrl: Uri) (text: string) (start: int) : Gateway voption =
    match element "service" text start with
    | ValueNone -> ValueNone
    | ValueSome(struct (service, last)) ->
        match struct (textOf "serviceType" service, textOf "controlURL" service) with
        | struct (ValueSome kind, ValueSome control) when List.contains kind services ->
            match Uri.TryCreate(baseUrl, control) with
            | true, NonNull url when url.Scheme = "http" && url.Host = baseUrl.Host ->
                ValueSome { ServiceType = kind; ControlUrl = url.AbsoluteUri }
            | _ -> findService baseUrl text last
        | _ -> findService baseUrl text last

/// The service that maps ports in a router's description, which came from this URL.
let gateway (url: Uri) (description: string) : Gateway voption =
    let baseUrl =
        match textOf "URLBase" description with
        | ValueSome text ->
            match Uri.TryCreate(text, UriKind.Absolute) with
            | true, NonNull other when other.Host = url.Host -> other
            | _ -> url
        | ValueNone -> url

    findService baseUrl description 0

/// What stands behind `SOAPAction:`.
let soapAction (gateway: Gateway) (action: string) : string = "\"" + gateway.ServiceType + "#" + action + "\""

let private envelope (gateway: Gateway) (action: string) (arguments: (string * string) list) : string =
    let fields =
        arguments
        |> List.map (fun (name, value) -> "<" + name + ">" + value + "</" + name + ">")
        |> String.concat ""

    "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:"
    + action
    + " xmlns:u=\""
    + gateway.ServiceType
    + "\">"
    + fields
    + "</u:"
    + action
    + "></s:Body></s:Envelope>\r\n"

/// Asks whether the router is connected.
let statusRequest (gateway: Gateway) : string = envelope gateway "GetStatusInfo" []

let isConnected (answer: string) : bool = textOf "NewConnectionStatus" answer = ValueSome "Connected"

let private escape (text: string) = text.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;")

let addRequest (gateway: Gateway) (mapping: Mapping) : string =
    envelope
        gateway
        "AddPortMapping"
        [ "NewRemoteHost", ""
          "NewExternalPort", mapping.Port.ToString()
          "NewProtocol", protocolName mapping.Protocol
          "NewInternalPort", mapping.Port.ToString()
          "NewInternalClient", mapping.Client
          "NewEnabled", "1"
          "NewPortMappingDescription", escape mapping.Description
          "NewLeaseDuration", mapping.LeaseSeconds.ToString() ]

let deleteRequest (gateway: Gateway) (mapping: Mapping) : string =
    envelope
        gateway
        "DeletePortMapping"
        [ "NewRemoteHost", ""
          "NewExternalPort", mapping.Port.ToString()
          "NewProtocol", protocolName mapping.Protocol ]

/// Why a request failed: the router's code and words, none if it did not.
let failure (status: int) (answer: string) : struct (int * string) voption =
    if status = 200 then
        ValueNone
    else
        match textOf "errorCode" answer with
        | ValueSome code ->
            match Int32.TryParse code with
            | true, code -> ValueSome(struct (code, ValueOption.defaultValue "" (textOf "errorDescription" answer)))
            | _ -> ValueSome(struct (status, "HTTP error"))
        | ValueNone -> ValueSome(struct (status, "HTTP error"))

/// The router knows only mappings without end: such a one has to be deleted by us.
let wantsPermanent (code: int) : bool = code = 725
