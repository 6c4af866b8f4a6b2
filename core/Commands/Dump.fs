/// What `tinc dump` and `tinc info` learn from a daemon, and how `dump` prints it (spec 06 §9, §15.5, §16).
module TincPure.Commands.Dump

open System
open System.Globalization
open TincPure.Primitives

type Node =
    {
        Name: string
        Id: string
        Host: string
        Port: string
        Cipher: int
        Digest: int
        MacLength: int
        Compression: int
        Options: uint32
        Status: uint32
        NextHop: string
        Via: string
        Distance: int
        Mtu: int
        MinMtu: int
        MaxMtu: int
        /// Seconds since the epoch, 0 for never.
        LastChange: int64
        /// Microseconds, -1 if unknown.
        Rtt: int
        InPackets: uint64
        InBytes: uint64
        OutPackets: uint64
        OutBytes: uint64
    }

type Edge =
    { From: string
      To: string
      Host: string
      Port: string
      LocalHost: string
      LocalPort: string
      Options: uint32
      Weight: int }

type OwnedSubnet = { Subnet: string; Owner: string }

type Connection =
    { Name: string
      Host: string
      Port: string
      Options: uint32
      Socket: int
      Status: uint32 }

/// Node status bits (spec 06 §16).
module Status =
    let validKey = 0x02u
    let visited = 0x08u
    let reachable = 0x10u
    let indirect = 0x20u
    let sptps = 0x40u
    let udpConfirmed = 0x80u

let has (bit: uint32) (bits: uint32) : bool = bits &&& bit <> 0u

/// Numbers of a line, read one by one; `Valid` tells in the end whether all were.
[<Sealed>]
type private Numbers() =
    member val Valid = true with get, set

    member private this.Checked(parsed: bool, value: 'a) : 'a =
        this.Valid <- this.Valid && parsed
        value

    member this.Decimal(text: string) : int =
        this.Checked(Int32.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture))

    member this.Long(text: string) : int64 =
        this.Checked(Int64.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture))

    member this.Count(text: string) : uint64 =
        this.Checked(UInt64.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture))

    member this.Hex(text: string) : uint32 =
        this.Checked(UInt32.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture))

    member this.Whole(item: 'a) : 'a voption = if this.Valid then ValueSome item else ValueNone

/// The fields of an item of the dump of nodes.
let parseNode (fields: string list) : Node voption =
    match Array.ofList fields with
    | f when f.Length >= 23 && f[3] = "port" ->
        let n = Numbers()

        n.Whole
            { Name = f[0]
              Id = f[1]
              Host = f[2]
              Port = f[4]
              Cipher = n.Decimal f[5]
              Digest = n.Decimal f[6]
              MacLength = n.Decimal f[7]
              Compression = n.Decimal f[8]
              Options = n.Hex f[9]
              Status = n.Hex f[10]
              NextHop = f[11]
              Via = f[12]
              Distance = n.Decimal f[13]
              Mtu = n.Decimal f[14]
              MinMtu = n.Decimal f[15]
              MaxMtu = n.Decimal f[16]
              LastChange = n.Long f[17]
              Rtt = n.Decimal f[18]
              InPackets = n.Count f[19]
              InBytes = n.Count f[20]
              OutPackets = n.Count f[21]
              OutBytes = n.Count f[22] }
    | _ -> ValueNone

let parseEdge (fields: string list) : Edge voption =
    match fields with
    | from :: target :: host :: "port" :: port :: localHost :: "port" :: localPort :: options :: weight :: _ ->
        let n = Numbers()

        n.Whole
            { From = from
              To = target
              Host = host
              Port = port
              LocalHost = localHost
              LocalPort = localPort
              Options = n.Hex options
              Weight = n.Decimal weight }
    | _ -> ValueNone

/// The default weight is not shown.
let private withoutDefaultWeight (subnet: string) =
    if subnet.EndsWith("#10", StringComparison.Ordinal) then
        subnet.Substring(0, subnet.Length - 3)
    else
        subnet

let parseSubnet (fields: string list) : OwnedSubnet voption =
    match fields with
    | subnet :: owner :: _ -> ValueSome { Subnet = withoutDefaultWeight subnet; Owner = owner }
    | _ -> ValueNone

let parseConnection (fields: string list) : Connection voption =
    match fields with
    | name :: host :: "port" :: port :: options :: socket :: status :: _ ->
        let n = Numbers()

        n.Whole
            { Name = name
              Host = host
              Port = port
              Options = n.Hex options
              Socket = n.Decimal socket
              Status = n.Hex status }
    | _ -> ValueNone

let private text (number: int) : string = number.ToString CultureInfo.InvariantCulture

let private count (number: uint64) : string = number.ToString CultureInfo.InvariantCulture

let private hex (number: uint32) : string = number.ToString("x", CultureInfo.InvariantCulture)

/// Microseconds as milliseconds with three decimals.
let milliseconds (microseconds: int) : string =
    text (microseconds / 1000)
    + "."
    + (microseconds % 1000).ToString("d3", CultureInfo.InvariantCulture)

let printNode (node: Node) : string =
    let words =
        [ node.Name
          "id"
          node.Id
          "at"
          node.Host
          "port"
          node.Port
          "cipher"
          text node.Cipher
          "digest"
          text node.Digest
          "maclength"
          text node.MacLength
          "compression"
          text node.Compression
          "options"
          hex node.Options
          "status"
          node.Status.ToString("x4", CultureInfo.InvariantCulture)
          "nexthop"
          node.NextHop
          "via"
          node.Via
          "distance"
          text node.Distance
          "pmtu"
          text node.Mtu
          "(min"
          text node.MinMtu
          "max"
          text node.MaxMtu + ")"
          "rx"
          count node.InPackets
          count node.InBytes
          "tx"
          count node.OutPackets
          count node.OutBytes ]

    let rtt = if node.Rtt = -1 then [] else [ "rtt"; milliseconds node.Rtt ]

    String.Join(' ', words @ rtt)

let printEdge (edge: Edge) : string =
    String.Join(
        ' ',
        [ edge.From
          "to"
          edge.To
          "at"
          edge.Host
          "port"
          edge.Port
          "local"
          edge.LocalHost
          "port"
          edge.LocalPort
          "options"
          hex edge.Options
          "weight"
          text edge.Weight ]
    )

let printSubnet (subnet: OwnedSubnet) : string = subnet.Subnet + " owner " + subnet.Owner

let printConnection (connection: Connection) : string =
    String.Join(
        ' ',
        [ connection.Name
          "at"
          connection.Host
          "port"
          connection.Port
          "options"
          hex connection.Options
          "socket"
          text connection.Socket
          "status"
          hex connection.Status ]
    )

let private quoted (name: string) = "\"" + name + "\""

/// A node as a line of a graph in the language of graphviz.
let graphNode (node: Node) : string =
    let own = node.Host = "MYSELF"

    let color =
        if own then "green"
        elif not (has Status.reachable node.Status) then "red"
        elif node.Via <> node.Name then "orange"
        elif not (has Status.validKey node.Status) then "black"
        elif node.MinMtu > 0 then "green"
        else "black"

    String.Concat(
        " " + quoted node.Name + " [label = " + quoted node.Name,
        ", color = " + quoted color,
        (if own then ", style = \"filled\"" else ""),
        "];"
    )

/// Light edges are strong ones.
let private graphWeight (weight: int) : string =
    match 1.0f + 65536.0f / float32 weight with
    | value when Single.IsInfinity value -> if value > 0.0f then "inf" else "-inf"
    | value -> (float value).ToString("F6", CultureInfo.InvariantCulture)

/// An edge as a line of a graph; in an undirected graph one of the two directions is left out.
let graphEdge (directed: bool) (edge: Edge) : string voption =
    let weight = graphWeight edge.Weight

    let line arrow =
        ValueSome(
            String.Concat(
                " " + quoted edge.From + arrow + quoted edge.To,
                " [w = " + weight,
                ", weight = " + weight + "];"
            )
        )

    if directed then line " -> "
    elif String.CompareOrdinal(edge.From, edge.To) > 0 then line " -- "
    else ValueNone
