namespace TincPure.Config

open TincPure.Primitives
open TincPure.Crypto.Legacy
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
        /// For the legacy protocol.
        RsaKey: RsaPublicKey voption
        /// Why there is no such key.
        RsaKeyProblems: string list
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

/// The texts in which the keys of a node may be: files that variables name, if they do, and the host file itself.
type internal HostKeyFiles =
    { Ed25519: Result<string, string> voption
      Rsa: Result<string, string> voption
      HostFile: string }

module internal HostKeyFiles =

    let none: HostKeyFiles = { Ed25519 = ValueNone; Rsa = ValueNone; HostFile = "" }

module HostSettings =

    let defaultPort = "655"

    /// The host file of a node without any setting.
    let empty (name: NodeName) : HostSettings =
        { Name = name
          PublicKey = ValueNone
          PublicKeyProblems = []
          RsaKey = ValueNone
          RsaKeyProblems = [ "No public key for " + name.Text + " specified!" ]
          Addresses = []
          Port = defaultPort
          Subnets = []
          Weight = ValueNone
          IndirectData = false
          TcpOnly = false
          ClampMss = ValueNone
          Pmtu = ValueNone }

    /// The variable counts before the key file, and the key file before a block in the host file itself; the first that
    /// is there decides, even if it is bad (spec 01 §4.5).
    let internal publicKey (reader: Reader) (files: HostKeyFiles) : Result<byte[] voption, string list> =
        let fromBlock text =
            match KeyFile.parsePublicBlock text with
            | struct (ValueSome key, _) -> Ok(ValueSome key)
            | struct (ValueNone, []) -> Ok ValueNone
            | struct (ValueNone, complaints) -> Error complaints

        match reader.Text "Ed25519PublicKey", files.Ed25519 with
        | ValueSome text, _ -> KeyFile.parsePublic text |> Result.map ValueSome |> Result.mapError List.singleton
        | ValueNone, ValueSome(Error reason) -> Error [ reason ]
        | ValueNone, ValueSome(Ok text) -> fromBlock text
        | ValueNone, ValueNone -> fromBlock files.HostFile

    /// The same for RSA; no key is no mistake before one is needed (spec 08 §18.2).
    let internal rsaKey (name: NodeName) (reader: Reader) (files: HostKeyFiles) : Result<RsaPublicKey, string> =
        let found problem key =
            match key with
            | ValueSome key -> Ok key
            | ValueNone -> Error problem

        match reader.Text "PublicKey", files.Rsa with
        | ValueSome hex, _ -> RsaText.publicOfHex hex |> found ("Invalid PublicKey for " + name.Text + "!")
        | ValueNone, ValueSome(Error reason) -> Error reason
        | ValueNone, ValueSome(Ok text) ->
            let file = ValueOption.defaultValue "" (reader.SystemText "PublicKeyFile")
            RsaText.parsePublic text |> found ("Reading RSA public key file `" + file + "' failed")
        | ValueNone, ValueNone ->
            RsaText.parsePublic files.HostFile |> found ("No public key for " + name.Text + " specified!")

    /// Reads the settings of a node from its table. Bad Subnets are skipped, and not even mentioned unless they matter
    /// (`strictSubnets`).
    let internal read (name: NodeName) (strictSubnets: bool) (keyFiles: HostKeyFiles) (reader: Reader) : HostSettings =
        let port = ValueOption.defaultValue defaultPort (reader.SystemText "Port")

        let address (entry: Entry) =
            let struct (host, ownPort) = Value.hostAndPort entry.Value

            { Host = host; Port = ValueOption.defaultValue port ownPort }

        let key = publicKey reader keyFiles
        let rsaKey = rsaKey name reader keyFiles

        { Name = name
          PublicKey =
            match key with
            | Ok key -> key
            | Error _ -> ValueNone
          PublicKeyProblems =
            match key with
            | Ok _ -> []
            | Error problems -> problems
          RsaKey =
            match rsaKey with
            | Ok key -> ValueSome key
            | Error _ -> ValueNone
          RsaKeyProblems =
            match rsaKey with
            | Ok _ -> []
            | Error problem -> [ problem ]
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
