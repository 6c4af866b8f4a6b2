/// Configuration files to settings (spec 05 §4 to §7).
module TincPure.Core.Tests.ConfigSettingsTests

open System
open System.Text.Json
open TincPure.Primitives
open TincPure.Topology
open TincPure.Crypto.Legacy
open TincPure.Config
open Xunit
open Xunit.Abstractions

let private keyPair =
    { Private = Array.init 64 byte
      Public = Array.init 32 (fun i -> byte (i + 100)) }

/// A snapshot of files by their paths below the configuration directory `/c`.
let snapshot (files: (string * FileRead) list) : Snapshot =
    let inFolder folder =
        files
        |> List.choose (fun (path, _) ->
            match path.Split '/' with
            | [| parent; name |] when parent = folder -> Some name
            | _ -> None)

    { ConfBase = "/c"
      NetName = ValueNone
      Separator = "/"
      Options = []
      Environment = Map.empty
      HostName = Ok "machine"
      Folders = Map.ofList [ "conf.d", Ok(inFolder "conf.d"); "hosts", Ok(inFolder "hosts") ]
      Files = files |> List.map (fun (path, read) -> "/c/" + path, read) |> Map.ofList }

let private text (content: string) = Content(content, false)

let private key = "ed25519_key.priv", text (KeyFile.printPrivate keyPair)

let private node (main: string) (files: (string * FileRead) list) =
    snapshot ([ "tinc.conf", text ("Name = foo\n" + main); "hosts/foo", text ""; key ] @ files)

let private load (snapshot: Snapshot) : Settings =
    match (Files.load snapshot).Outcome with
    | Ok settings -> settings
    | Error problems -> failwith (String.Join("; ", problems |> List.map _.Message))

let private subnets (settings: Settings) = settings.Own.Subnets |> List.map Subnet.toText

let private named (text: string) =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> failwith text

[<Fact>]
let ``files that say nothing but the name give the defaults`` () =
    let settings = load (node "" [])

    let expected =
        { Settings.defaults (named "foo") "/c" with
            PrivateKey = ValueSome keyPair.Private
            PublicKey = ValueSome keyPair.Public
            InEffect = settings.InEffect }

    Assert.Equal(expected, settings)
    Assert.Equal(0x0700000cu, Settings.ownOptions settings)

[<Fact>]
let ``option bits follow IndirectData, TCPOnly, PMTUDiscovery and ClampMSS`` () =
    let options main = Settings.ownOptions (load (node main []))

    Assert.Equal(0x0700000du, options "IndirectData = yes\n")
    Assert.Equal(0x0700000bu, options "TCPOnly = yes\n")
    Assert.Equal(0x0700000fu, options "TCPOnly = yes\nPMTUDiscovery = yes\n")
    Assert.Equal(0x07000004u, options "ClampMSS = no\n")

[<Fact>]
let ``tinc.conf, conf.d and the own host file compete by line number, the command line wins`` () =
    let files host = [ "hosts/foo", text host; "conf.d/a.conf", text "\n\nPort = 3\n" ]

    let port options host = (load { node "# 2\n# 3\n# 4\nPort = 5\n" (files host) with Options = options }).Own.Port

    Assert.Equal("1", port [] "Port = 1\n")
    Assert.Equal("3", port [] "\n\n\n\n\n\nPort = 7\n")
    Assert.Equal("9", port [ "Port=9" ] "Port = 1\n")
    Assert.Equal("8", port [ "foo.Port=8"; "Port=9" ] "Port = 1\n")
    Assert.Equal("1", port [ "bar.Port=8" ] "Port = 1\n")

[<Fact>]
let ``host files of other nodes give their addresses, key and limits`` () =
    let publicText = KeyFile.publicText keyPair.Public

    let settings =
        load
            { node
                  ""
                  [ "hosts/bar",
                    text (
                        "Address = bar.example.org\nAddress = 10.0.0.1 443\nAddress = ::1\nPort = 700\nEd25519PublicKey = "
                        + publicText
                        + "\nPMTU = 1400\nTCPOnly = yes\nClampMSS = no\nWeight = 12\nSubnet = bad\n"
                    )
                    "hosts/baz", text (KeyFile.printPublicBlock keyPair.Public)
                    "hosts/bad", text "Ed25519PublicKey = abc\n"
                    "hosts/not-a-node", text "" ] with
                Options = [ "bar.IndirectData=yes"; "bar.PMTU = 1300" ] }

    Assert.Equal<string list>(
        [ "bad"; "bar"; "baz" ],
        settings.Hosts |> Map.toList |> List.map (fun (name, _) -> name.Text)
    )
    let bar = settings.Hosts[named "bar"]

    Assert.Equal<HostPort list>(
        [ { Host = "bar.example.org"; Port = "700" }
          { Host = "10.0.0.1"; Port = "443" }
          { Host = "::1"; Port = "700" } ],
        bar.Addresses
    )

    Assert.Equal(
        { HostSettings.empty (named "bar") with
            PublicKey = ValueSome keyPair.Public
            Addresses = bar.Addresses
            Port = "700"
            Weight = ValueSome 12
            TcpOnly = true
            IndirectData = true
            ClampMss = ValueSome false
            Pmtu = ValueSome 1300 },
        bar
    )

    Assert.Equal(ValueSome keyPair.Public, settings.Hosts[named "baz"].PublicKey)
    Assert.Equal<string list>([ "Invalid size 3 for public key!" ], settings.Hosts[named "bad"].PublicKeyProblems)

[<Fact>]
let ``RSA keys come from variables, from files that variables name, or from the host file itself`` () =
    let keys = (Vectors.load "08-legacy-handshakes.json").GetProperty "rsa_keys"
    let pem name = Vectors.text "public_pem" (keys.GetProperty(name: string))
    let key name = RsaText.parsePublic (pem name)
    let old = (Vectors.load "08-legacy-rsa-keyfiles.json").GetProperty "obsolete_statements"

    let settings =
        load
            { node
                  ("PrivateKey = " + Vectors.text "PrivateKey" old + "\n")
                  [ "hosts/foo", text ("PublicKey = " + Vectors.text "PublicKey" old + "\n")
                    "hosts/a", text ("Subnet = 10.1.0.0/16\n\n" + pem "1024_A")
                    "hosts/b", text ("PublicKeyFile = b.pub\n" + pem "1024_A")
                    "b.pub", text (pem "1024_B")
                    "hosts/c", text ("PublicKey = " + Vectors.text "PublicKey" old + "\nPublicKeyFile = b.pub\n")
                    "hosts/d", text "PublicKey = 12X4\n"
                    "hosts/e", text "PublicKeyFile = hosts/d\n"
                    "hosts/f", text "" ] with
                Options = [] }

    Assert.Equal(RsaText.privateOfHex (Vectors.text "PublicKey" old) (Vectors.text "PrivateKey" old), settings.RsaKey)

    let host name = settings.Hosts[named name]
    Assert.Equal(key "1024_A", (host "a").RsaKey)
    Assert.Equal(key "1024_B", (host "b").RsaKey)
    Assert.Equal(RsaText.publicOfHex (Vectors.text "PublicKey" old), (host "c").RsaKey)
    Assert.Equal<string list>([ "Invalid PublicKey for d!" ], (host "d").RsaKeyProblems)
    Assert.Equal<string list>([ "Reading RSA public key file `hosts/d' failed" ], (host "e").RsaKeyProblems)
    Assert.Equal<string list>([ "No public key for f specified!" ], (host "f").RsaKeyProblems)

[<Fact>]
let ``a bad RSA public key is told when its file is read, with place and remedy, if it would be used`` () =
    let keys = (Vectors.load "08-legacy-handshakes.json").GetProperty "rsa_keys"
    let ours = "rsa_key.priv", text (Vectors.text "private_pem" (keys.GetProperty "2048_A"))
    let broken = "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n"

    let said main files =
        (Files.load (node main files)).Log
        |> List.map _.Text
        |> List.filter (fun text -> text.Contains("key", StringComparison.OrdinalIgnoreCase))

    let told host = said "" [ ours; "hosts/bar", text host; "bar.pub", text broken ]
    let remedy place = "Remedy: " + place + " must be the RSA public key of bar: take what `tinc export' prints there"

    Assert.Equal<string list>(
        [ "Invalid PublicKey for bar!"; remedy "PublicKey in /c/hosts/bar line 2" ],
        told "Weight = 3\nPublicKey = 12X4\n"
    )

    Assert.Equal<string list>(
        [ "Reading RSA public key file `bar.pub' failed"; remedy "PublicKeyFile /c/bar.pub" ],
        told "PublicKeyFile = bar.pub\n"
    )

    Assert.Equal<string list>(
        [ "No public key for bar specified!"; remedy "the RSA key block in /c/hosts/bar" ],
        told broken
    )

    // None at all is no fault before one is needed; and none is needed where only SPTPS is spoken.
    Assert.Empty(told "Weight = 3\n")
    Assert.Empty(told ("PublicKey = 12X4\nEd25519PublicKey = " + KeyFile.publicText keyPair.Public + "\n"))
    Assert.Empty(said "LegacyProtocol = no\n" [ ours; "hosts/bar", text "PublicKey = 12X4\n" ])

[<Fact>]
let ``the remedy for a start without a key names what would do`` () =
    let allowed main =
        match (Files.load (node ("ExperimentalProtocol = no\n" + main) [])).Outcome with
        | Error [ problem ] -> problem.Allowed
        | other -> failwith (string other)

    let withEither = "yes with a key in /c/ed25519_key.priv, no with one in /c/rsa_key.priv"
    Assert.Equal(withEither, allowed "")
    Assert.Equal(withEither + " and LegacyProtocol = yes", allowed "LegacyProtocol = no\n")

[<Fact>]
let ``weak settings of the legacy protocol are named with a remedy, if it is spoken`` () =
    let keys = (Vectors.load "08-legacy-handshakes.json").GetProperty "rsa_keys"
    let pem form name = Vectors.text form (keys.GetProperty(name: string))

    let warnings settings size =
        let loaded = Files.load (node settings [ "rsa_key.priv", text (pem "private_pem" size) ])

        loaded.Log
        |> List.map _.Text
        |> List.filter (fun text -> text.StartsWith("Weak setting: ", StringComparison.Ordinal))

    Assert.Empty(warnings "" "2048_A")
    Assert.Contains("1024 bits", Assert.Single(warnings "" "1024_A"))
    Assert.Contains("aes-256-cbc", Assert.Single(warnings "Cipher = none\n" "2048_A"))
    Assert.Contains("64 bits", Assert.Single(warnings "Cipher = blowfish\n" "2048_A"))
    Assert.Contains("CBC", Assert.Single(warnings "Cipher = aes-256-ofb\n" "2048_A"))
    Assert.Contains("sha256", Assert.Single(warnings "Digest = none\n" "2048_A"))
    Assert.Contains("MACLength", Assert.Single(warnings "MACLength = 0\n" "2048_A"))
    Assert.Empty(warnings "LegacyProtocol = no\nCipher = none\n" "1024_A")

[<Fact>]
let ``the legacy protocol can be switched off`` () =
    let pem =
        Vectors.text
            "private_pem"
            (((Vectors.load "08-legacy-handshakes.json").GetProperty "rsa_keys").GetProperty "2048_A")

    let settings main = load (node main [ "rsa_key.priv", text pem ])
    Assert.True (settings "").RsaKey.IsSome
    Assert.True (settings "LegacyProtocol = no\n").RsaKey.IsNone
    Assert.False (settings "ExperimentalProtocol = no\n").ExperimentalProtocol

[<Theory>]
[<InlineData("Cipher", "rot13", "Unrecognized cipher type!", "aes-256-cbc, aes-256-cfb")>]
[<InlineData("Digest", "md17", "Unrecognized digest type!", "none, md5, sha1")>]
let ``a cipher or digest that there is not is refused by name, with those that there are``
    (variable: string)
    (name: string)
    (complaint: string)
    (others: string)
    =
    let line = variable + " = " + name + "\n"

    for files, place in
        [ node line [], "/c/tinc.conf line 2"
          snapshot [ "tinc.conf", text "Name = foo\n"; "hosts/foo", text line; key ], "/c/hosts/foo line 1" ] do
        let loaded = Files.load files
        Assert.True(Result.isError loaded.Outcome)
        let texts = loaded.Log |> List.map _.Text
        Assert.Contains("Unknown " + variable.ToLowerInvariant() + " name '" + name + "'!", texts)
        Assert.Contains(complaint, texts)
        let explained =
            texts |> List.filter (fun text -> text.Contains(" in " + place + " is not allowed; allowed: "))
        Assert.Contains(others, Assert.Single explained)

[<Fact>]
let ``a key file that configuration names is wanted, then used`` () =
    let before =
        { node "Ed25519PrivateKeyFile = keys/mine\n" [ "hosts/bar", text "Ed25519PublicKeyFile = /k/bar\n" ] with
            Files =
                Map.ofList
                    [ "/c/tinc.conf", text "Name = foo\nEd25519PrivateKeyFile = keys/mine\n"
                      "/c/hosts/bar", text "Ed25519PublicKeyFile = /k/bar\n" ] }

    Assert.Equal<string list>(
        [ "/k/bar"; "/c/hosts/foo"; "/c/keys/mine"; "/c/rsa_key.priv"; "/c/invitations/ed25519_key.priv" ],
        Files.wanted before
    )

    let found =
        [ "/k/bar", text (KeyFile.printPublicBlock keyPair.Public)
          "/c/hosts/foo", text ""
          "/c/keys/mine", text (KeyFile.printPrivate keyPair)
          "/c/rsa_key.priv", CannotOpen("gone", true)
          "/c/invitations/ed25519_key.priv", CannotOpen("gone", true) ]

    let after =
        { before with
            Files = List.fold (fun files (path, read) -> Map.add path read files) before.Files found }

    Assert.Empty(Files.wanted after)
    let settings = load after
    Assert.Equal(ValueSome keyPair.Private, settings.PrivateKey)
    Assert.Equal(ValueSome keyPair.Public, settings.Hosts[named "bar"].PublicKey)

[<Fact>]
let ``a refused value is named with its place and what is allowed`` () =
    match (Files.load (node "\n\nMode = bridge\nMaxTimeout = 0\n" [])).Outcome with
    | Ok _ -> failwith "accepted"
    | Error problems ->
        Assert.Equal<ConfigProblem list>(
            [ { Variable = "Mode"
                Value = "bridge"
                Place = ValueSome(Place.File("/c/tinc.conf", 4))
                Message = "Invalid routing mode!"
                Allowed = "router, switch, hub" }
              { Variable = "MaxTimeout"
                Value = "0"
                Place = ValueSome(Place.File("/c/tinc.conf", 5))
                Message = "Bogus maximum timeout!"
                Allowed = "a whole number from 1 of seconds" } ],
            problems
        )

[<Fact>]
let ``a variable that does nothing without another is said to do nothing`` () =
    let loaded = Files.load (node "VDEPort = 7\nProxy = none\n" [])

    Assert.Contains(
        { Level = 0
          Priority = Priority.Warning
          Text = "VDEPort in /c/tinc.conf line 2 has no effect without DeviceType = vde" },
        loaded.Log
    )

[<Fact>]
let ``proxies are read with their arguments`` () =
    let proxy value = (load (node ("Proxy = " + value + "\n") [])).Proxy
    let server: HostPort = { Host = "p"; Port = "1" }
    Assert.Equal(NoProxy, proxy "NONE")
    Assert.Equal(ExecProxy "ssh -W x y", proxy "exec ssh -W x y")
    Assert.Equal(ServerProxy(Socks4, server, ValueNone, ValueNone), proxy "SOCKS4 p 1")
    Assert.Equal(ServerProxy(Socks5, server, ValueSome "u", ValueSome "s"), proxy "socks5 p 1 u s")
    Assert.Equal(ServerProxy(Http, server, ValueNone, ValueNone), proxy "http p 1")

/// Cases of 05-tincd-startup.json that need more than configuration, by what they need.
let private leftToOthers (case: JsonElement) (stderr: string list) : string voption =

    let says (fragments: string list) =
        fragments |> List.exists (fun f -> stderr |> List.exists (fun line -> line.Contains f))

    let given (fragments: string list) =
        let config =
            match case.TryGetProperty "files" with
            | true, files -> files.ToString()
            | _ -> ""

        fragments |> List.exists config.Contains

    if
        says
            [ "Can't bind"
              "Too many listening"
              "getaddrinfo"
              "localhost port"
              "SO_RCVBUF"
              "Switch mode not supported"
              "multicast socket"
              "Could not read device"
              "Can't find interface"
              "uml!"
              "Could not open /dev"
              "Cannot open config file {T}/C/hosts/bar"
              // The host knows whether it has one.
              "Sandbox is used" ]
    then
        ValueSome "sockets, devices, nodes"
    elif given [ "tinc-up"; "tinc-down" ] then
        ValueSome "scripts"
    elif given [ "hosts/foo" ] then
        ValueSome "own host file error said twice by the reference"
    elif Vectors.items "args" case |> List.length > 6 then
        ValueSome "command line"
    else
        ValueNone

/// An RSA key pair of 2048 bits.
let private rsaKey =
    lazy
        (((Vectors.load "08-legacy-handshakes.json").GetProperty "rsa_keys").GetProperty "2048_A"
         |> Vectors.text "private_pem")

/// Cases that are set up by other means than the files they list.
let private setUp =
    Map.ofList
        [ "tinc.conf is a directory", [ "tinc.conf", CannotRead "Is a directory" ]
          "unreadable conf.d entry (dangling link)", [ "conf.d/x.conf", CannotOpen("No such file or directory", true) ]
          "conf.d sub-directory named d.conf", [ "conf.d/d.conf", CannotRead "Is a directory" ] ]

type StartVectors(output: ITestOutputHelper) =

    [<Fact>]
    member _.``every start of the vectors is refused or goes on with the reference's words``() =
        let mutable checkedCases = 0

        for case in Vectors.items "cases" (Vectors.load "05-tincd-startup.json") do
            let name = Vectors.text "name" case
            let git = case.GetProperty "1.1-git"
            let stderr = Vectors.items "stderr" git |> List.map (fun line -> string (line.GetString()))
            match leftToOthers case stderr with
            | ValueSome reason -> output.WriteLine("left out (" + reason + "): " + name)
            | ValueNone ->
                checkedCases <- checkedCases + 1
                output.WriteLine("checked: " + name)

                let members (property: string) =
                    match case.TryGetProperty property with
                    | true, value when value.ValueKind = JsonValueKind.Object ->
                        value.EnumerateObject() |> Seq.map (fun p -> p.Name, string (p.Value.GetString())) |> List.ofSeq
                    | _ -> []

                let removed =
                    match case.TryGetProperty "remove" with
                    | true, value -> [ for item in value.EnumerateArray() -> string (item.GetString()) ]
                    | _ -> []

                let modes = Map.ofList (members "modes")

                let exposed path =
                    match Map.tryFind path modes with
                    | Some mode -> not (mode.EndsWith "00")
                    | None -> false

                let files =
                    [ "tinc.conf", "Name = foo\nDeviceType = dummy\nAddressFamily = ipv4\nBindToAddress = 127.0.0.1\n"
                      "hosts/foo", ""
                      "ed25519_key.priv", KeyFile.printPrivate keyPair
                      "rsa_key.priv", rsaKey.Value ]
                    @ members "files"
                    |> Map.ofList
                    |> Map.filter (fun path _ -> not (List.contains path removed))
                    |> Map.toList
                    |> List.map (fun (path, content) -> path, Content(content, exposed path))

                let found = snapshot (files @ Option.defaultValue [] (Map.tryFind name setUp))

                let loaded =
                    Files.load
                        { found with
                            Folders =
                                if List.contains "hosts" removed then
                                    Map.remove "hosts" found.Folders
                                else
                                    found.Folders
                            Files =
                                if List.contains "hosts" removed then
                                    Map.remove "/c/hosts/foo" found.Files
                                else
                                    found.Files }

                let said =
                    loaded.ReadLog @ loaded.Log
                    |> List.filter (fun line ->
                        not (
                            line.Text.Contains "is not allowed; allowed:"
                            || line.Text.Contains "has no effect"
                            || line.Text.StartsWith("Remedy: ", StringComparison.Ordinal)
                            || line.Text.StartsWith("Weak setting", StringComparison.Ordinal)
                            || line.Text = "No private key available, cannot start tinc!"
                        ))
                    |> List.map (fun line -> (line.Priority.ToString().ToUpperInvariant().PadRight 7) + " " + line.Text)

                let expected =
                    stderr
                    |> List.filter (fun line ->
                        not (
                            line.Contains " NOTICE "
                            || line.Contains "is a dummy device"
                            || line.Contains "OpenSSL error"
                        ))
                    |> List.map (fun line -> line.Replace("{TS} ", "").Replace("{T}/C", "/c").Replace(": {ERRNO}", ""))

                Assert.Equal<string list>(expected, said)

                let ready = git.GetProperty("became_ready").GetBoolean()
                Assert.Equal(ready, Result.isOk loaded.Outcome)

                Assert.Equal(ready || stderr |> List.exists (fun line -> line.Contains "Terminating"), loaded.Readable)

        Assert.True(checkedCases >= 40, "only " + string checkedCases + " cases")
