/// Encodings, addresses, subnets and names.
module TincPure.Fuzz.Texts

open System
open System.Text
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology

let private optional (behaviour: Behaviour) (name: string) (value: 'a voption) =
    behaviour.Anew()
    behaviour.Saw(if value.IsSome then name else "no " + name)

let private base64 (behaviour: Behaviour) (text: string) (input: byte[]) =
    let decoded = Base64.decode text
    optional behaviour "base64" decoded

    match decoded with
    | ValueSome bytes ->
        behaviour.Saw("bytes", bytes.Length)
        Target.check
            (Base64.decode (Base64.encode (ReadOnlySpan bytes)) = decoded)
            "base64 of decoded base64 decodes differently"
        Target.check
            (Base64.decode (Base64.encodeUrl (ReadOnlySpan bytes)) = decoded)
            "URL-safe base64 decodes differently"
    | ValueNone -> ()

    if input.Length > 0 then
        Target.check (Base64.decode (Base64.encode (ReadOnlySpan input)) = ValueSome input) "base64 loses bytes"
        Target.check
            (Base64.encode(ReadOnlySpan input).Length = Base64.encodedLength input.Length)
            "base64 of another length"

let private hex (behaviour: Behaviour) (text: string) (input: byte[]) =
    let decoded = Hex.decode Int32.MaxValue text
    behaviour.Anew()
    behaviour.Saw("hex", decoded.Length)
    Target.check (Hex.decode Int32.MaxValue (Hex.encode (ReadOnlySpan input)) = input) "hexadecimal digits lose bytes"
    Target.check
        (Hex.decode Int32.MaxValue (Hex.encodeLower (ReadOnlySpan input)) = input)
        "lower-case digits lose bytes"
    Target.check
        (ByteText.same (Hex.encode (ReadOnlySpan decoded)) (text.Substring(0, 2 * decoded.Length)))
        "other digits"

let private addresses (behaviour: Behaviour) (text: string) =
    let ip = Ip.tryParse text
    optional behaviour "ip" ip

    match ip with
    | ValueSome ip ->
        behaviour.Saw(if ip.IsV6 then "v6" else "v4")
        Target.check (Ip.tryParse (Ip.toText ip) = ValueSome ip) "an address printed is another"
        Target.check (ip.IsV6 || Ip.toText ip = text) "an IPv4 address that is not written strictly"
        Target.check (Ip.ofIPAddress (Ip.toIPAddress ip) = ip) "an address is another to the platform"
    | ValueNone -> ()

    let host, port =
        match text.IndexOf ' ' with
        | -1 -> text, "655"
        | at -> text.Substring(0, at), text.Substring(at + 1)

    let address = Address.ofWire host port
    let struct (host, port) = Address.toWire address
    Target.check (Address.ofWire host port = address) "two fields of an address are another address"
    behaviour.Saw(if address.IsInet then "inet" else "no inet")

let private subnets (behaviour: Behaviour) (text: string) =
    behaviour.Anew()

    match Subnet.tryParse text with
    | Error BadAddress -> behaviour.Saw "bad address"
    | Error BadPrefixLength -> behaviour.Saw "bad prefix length"
    | Error BadWeight -> behaviour.Saw "bad weight"
    | Ok subnet ->
        behaviour.Saw("family", 1 <<< int subnet.Family)
        behaviour.Saw("prefix", subnet.Prefix)
        let printed = Subnet.toText subnet
        Target.check (Subnet.tryParse printed = Ok subnet) ("a subnet printed is another: " + printed)
        Target.check (Subnet.compare subnet subnet = 0) "a subnet is not equal to itself"
        let entry = OwnedSubnet.broadcast subnet
        let table = SubnetTable.add entry SubnetTable.empty
        Target.check (SubnetTable.toArray table = [| entry |]) "a table of one subnet does not hold it"
        Target.check ((SubnetTable.toArray (SubnetTable.remove entry table)).Length = 0) "a removed subnet is there"

        if subnet.Family = Family.IPv4 then
            let found = SubnetTable.lookupV4 (fun _ -> true) (uint32 (subnet.High >>> 32)) table
            Target.check (found = ValueSome entry) "a subnet does not hold its own address"

let private names (behaviour: Behaviour) (text: string) =
    let name = NodeName.tryParse text
    optional behaviour "name" name

    match name with
    | ValueSome name ->
        Target.check (name.Text = text) "a name is another"
        let bytes = Array.zeroCreate<byte> NodeId.size
        NodeId.write (NodeId.ofName name) (Span bytes)
        Target.check (NodeId.read (ReadOnlySpan bytes) = NodeId.ofName name) "a node ID written is another"
    | ValueNone -> ()

let private run (behaviour: Behaviour) (input: byte[]) =
    let text = Encoding.Latin1.GetString input
    base64 behaviour text input
    hex behaviour text input
    addresses behaviour text
    subnets behaviour text
    names behaviour text

let private seeds () =
    Corpus.bytes "01-base64.json" [ "text"; "std"; "url"; "hex_out" ]
    @ Corpus.bytes "04-subnet-parse.json" [ "input"; "text" ]
    @ Corpus.bytes "05-names.json" [ "name" ]
    @ ([ "fe80::1"
         "::ffff:1.2.3.4"
         "1:2:3:4:5:6:7:8"
         "unspec unspec"
         "192.0.2.1 655"
         "host.example 655" ]
       |> List.map Encoding.Latin1.GetBytes)

let target =
    { Target.create "texts" "what is read from text is the same when it is printed and read again" seeds run with
        Words =
            [ "::"
              ":"
              "."
              "/"
              "#"
              "0x"
              "-"
              "+"
              "ffff"
              "255"
              "256"
              "10.0.0.0/8"
              "/128"
              "#10"
              "\000"
              " " ]
        MaxSize = 512 }
