namespace TincPure.Config

open TincPure.Primitives
open TincPure.Topology

/// A host name or numeric address, and a port number or service name.
type HostPort = { Host: string; Port: string }

/// What a host file says about its node: everything that is read from the host files of other nodes (spec 05 §5), and
/// the same of ourselves.
type HostSettings =
    {
        Name: NodeName
        /// Ed25519, 32 bytes.
        PublicKey: byte[] voption
        /// What is wrong with the key that the file gives, in the reference's words; empty if nothing is.
        PublicKeyProblems: string list
        /// Where the node can be reached, in the order to try.
        Addresses: HostPort list
        /// Default port of the addresses: number or service name.
        Port: string
        Subnets: Subnet list
        /// Weight of the edge to the node, instead of the measured one.
        Weight: int voption
        IndirectData: bool
        TcpOnly: bool
        /// Overrides the option bit for connections with the node.
        ClampMss: bool voption
        /// Upper bound of the path MTU.
        Pmtu: int voption
    }

module HostSettings =

    let defaultPort = "655"

    /// The host file of a node without any setting.
    let empty (name: NodeName) : HostSettings =
        { Name = name
          PublicKey = ValueNone
          PublicKeyProblems = []
          Addresses = []
          Port = defaultPort
          Subnets = []
          Weight = ValueNone
          IndirectData = false
          TcpOnly = false
          ClampMss = ValueNone
          Pmtu = ValueNone }

    /// The variable counts before the key file, and the key file before a block in the host file itself; the first that
    /// is there decides, even if it is bad (spec 01 §4.5). `keyFile` is the text of the file that Ed25519PublicKeyFile
    /// names, `hostFile` that of the host file.
    let internal publicKey
        (reader: Reader)
        (keyFile: Result<string, string> voption)
        (hostFile: string)
        : Result<byte[] voption, string list> =
        let fromBlock text =
            match KeyFile.parsePublicBlock text with
            | struct (ValueSome key, _) -> Ok(ValueSome key)
            | struct (ValueNone, []) -> Ok ValueNone
            | struct (ValueNone, complaints) -> Error complaints

        match reader.Text "Ed25519PublicKey", keyFile with
        | ValueSome text, _ -> KeyFile.parsePublic text |> Result.map ValueSome |> Result.mapError List.singleton
        | ValueNone, ValueSome(Error reason) -> Error [ reason ]
        | ValueNone, ValueSome(Ok text) -> fromBlock text
        | ValueNone, ValueNone -> fromBlock hostFile

    /// Reads the settings of a node from its table. Bad Subnets are skipped, and not even mentioned unless they matter
    /// (`strictSubnets`).
    let internal read
        (name: NodeName)
        (strictSubnets: bool)
        (keyFile: Result<string, string> voption)
        (hostFile: string)
        (reader: Reader)
        : HostSettings =
        let port = ValueOption.defaultValue defaultPort (reader.SystemText "Port")

        let address (entry: Entry) =
            let struct (host, ownPort) = Value.hostAndPort entry.Value

            { Host = host; Port = ValueOption.defaultValue port ownPort }

        let key = publicKey reader keyFile hostFile

        { Name = name
          PublicKey =
            match key with
            | Ok key -> key
            | Error _ -> ValueNone
          PublicKeyProblems =
            match key with
            | Ok _ -> []
            | Error problems -> problems
          Addresses = List.map address (reader.Entries "Address")
          Port = port
          Subnets =
            if strictSubnets then
                reader.Subnets("Subnet", false)
            else
                Reader(reader.Table).Subnets("Subnet", false)
          Weight = reader.Number "Weight"
          IndirectData = reader.FlagOrDefault "IndirectData"
          TcpOnly = reader.FlagOrDefault "TCPOnly"
          ClampMss = reader.Flag "ClampMSS"
          Pmtu = reader.Number "PMTU" }
