/// The tunnels that are measured end to end: ours, stock tinc, both together, and others.
module TincPure.Benchmarks.PairSubjects

open System
open System.IO
open TincPure.Benchmarks.Processes

/// Where one tunnel is put up: two joined namespaces, and a folder for its files.
type Place = { Folder: string; A: string; B: string }

/// Addresses on the wire and in the tunnel.
let wire: string list = [ "203.0.113.1"; "203.0.113.2" ]

let tunnel: string list = [ "10.99.0.1"; "10.99.0.2" ]

type Subject =
    {
        Label: string
        What: string
        /// Starts both daemons; their processes.
        Start: Place -> int list
    }

let private from (folder: string) (program: string) : string =
    let path = Path.Combine(Environment.CurrentDirectory, folder, program)

    if not (File.Exists path) then
        raise (Missing("there is no " + folder + "/" + program + ": run this by ./build.sh bench pairs"))

    path

let private ours program = from "out" program

let private stock program = from "tests/.stock/tinc-1.1" program

let private stock10 program = from "tests/.stock/tinc-1.0" program

let private rival program = from "tests/.rivals" program

let private names = [ "a"; "b" ]

let private writeScript (path: string) (lines: string list) =
    File.WriteAllLines(path, "#!/bin/sh" :: lines)
    File.SetUnixFileMode(path, UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.UserExecute)

let private writeUp (folder: string) (address: string) =
    writeScript
        (Path.Combine(folder, "tinc-up"))
        [ "ip address add " + address + "/24 dev $INTERFACE"; "ip link set $INTERFACE up" ]

let private hosts (place: Place) (name: string) = Path.Combine(place.Folder, name, "hosts")

/// Each learns the other's host file.
let private exchange (place: Place) =
    for own, other in [ "a", "b"; "b", "a" ] do
        File.Copy(Path.Combine(hosts place own, own), Path.Combine(hosts place other, own))

/// The called node first.
let private startDaemons (place: Place) (programs: string list) (extra: string list) : int list =
    [ for space, name, program in List.rev (List.zip3 [ place.A; place.B ] names programs) do
          let file ending = Path.Combine(place.Folder, name + ending)
          let folder = Path.Combine(place.Folder, name)

          spawn (file ".log") [] space program ([ "-D"; "-c"; folder; "--pidfile=" + file ".pid" ] @ extra)
          Threading.Thread.Sleep 500 ]

/// tinc 1.1 at both ends, configured by this `tinc`; `lines` go into both tinc.conf.
let private tinc11
    (label: string)
    (what: string)
    (tinc: unit -> string)
    (daemons: unit -> string list)
    (lines: string list)
    =
    let start (place: Place) =
        let tinc = tinc ()

        for name, address, inTunnel in List.zip3 names wire tunnel do
            let folder = Path.Combine(place.Folder, name)
            let tinc arguments = run tinc ([ "-c"; folder ] @ arguments) |> ignore
            tinc [ "init"; name ]
            tinc [ "add"; name + ".Address"; address ]
            tinc [ "add"; name + ".Subnet"; inTunnel + "/32" ]
            File.AppendAllLines(Path.Combine(folder, "tinc.conf"), lines)
            writeUp folder inTunnel

        File.AppendAllLines(Path.Combine(place.Folder, "a", "tinc.conf"), [ "ConnectTo = b" ])
        exchange place
        startDaemons place (daemons ()) []

    { Label = label; What = what; Start = start }

/// tinc 1.0 at both ends: the legacy protocol.
let private tinc10 (label: string) (what: string) (tincd: unit -> string) =
    let start (place: Place) =
        let tincd = tincd ()

        for name, address, inTunnel in List.zip3 names wire tunnel do
            let folder = Path.Combine(place.Folder, name)
            Directory.CreateDirectory(hosts place name) |> ignore
            let calls = if name = "a" then [ "ConnectTo = b" ] else []
            File.WriteAllLines(Path.Combine(folder, "tinc.conf"), ("Name = " + name) :: calls)

            File.WriteAllLines(
                Path.Combine(hosts place name, name),
                [ "Address = " + address; "Subnet = " + inTunnel + "/32" ]
            )

            writeUp folder inTunnel
            run tincd [ "-c"; folder; "-K2048" ] |> ignore

        exchange place
        startDaemons place [ tincd; tincd ] []

    { Label = label; What = what; Start = start }

let private wireguard =
    let start (place: Place) =
        let wg = rival "wg"
        let keys = [ for _ in names -> (run wg [ "genkey" ]).Trim() ]
        let publicKeys = [ for key in keys -> (runWith key wg [ "pubkey" ]).Trim() ]

        [ for own, other in [ 0, 1; 1, 0 ] do
              let space = [ place.A; place.B ][own]
              // Its control socket is named after the device, in a folder that all namespaces share.
              let device = "wg" + space
              later (fun () -> File.Delete("/var/run/wireguard/" + device + ".sock"))
              let settings = Path.Combine(place.Folder, names[own] + ".conf")
              let log = Path.Combine(place.Folder, names[own] + ".log")
              spawn
                  log
                  [ "WG_PROCESS_FOREGROUND", "1"; "LOG_LEVEL", "error" ]
                  space
                  (rival "wireguard-go")
                  [ "-f"; device ]
              waitFor "wireguard-go's device" (fun () -> isThere space device)

              File.WriteAllLines(
                  settings,
                  [ "[Interface]"
                    "PrivateKey=" + keys[own]
                    "ListenPort=51820"
                    "[Peer]"
                    "PublicKey=" + publicKeys[other]
                    "AllowedIPs=10.99.0.0/24"
                    "Endpoint=" + wire[other] + ":51820" ]
              )

              let inSpace program arguments = inside space program arguments ||> run |> ignore
              inSpace wg [ "setconf"; device; settings ]
              inSpace "ip" [ "address"; "add"; tunnel[own] + "/24"; "dev"; device ]
              inSpace "ip" [ "link"; "set"; device; "up"; "mtu"; "1420" ] ]

    { Label = "wireguard-go"; What = "wireguard-go of Debian sid"; Start = start }

let private nebula =
    let start (place: Place) =
        let file name = Path.Combine(place.Folder, name)
        let cert = rival "nebula-cert"
        run cert [ "ca"; "-name"; "x"; "-out-crt"; file "ca.crt"; "-out-key"; file "ca.key" ] |> ignore

        [ for own, other in [ 0, 1; 1, 0 ] do
              let name = names[own]
              let crt, key = file (name + ".crt"), file (name + ".key")
              let authority = [ "-ca-crt"; file "ca.crt"; "-ca-key"; file "ca.key" ]

              run
                  cert
                  ([ "sign"; "-name"; name; "-ip"; tunnel[own] + "/24"; "-out-crt"; crt; "-out-key"; key ] @ authority)
              |> ignore

              File.WriteAllLines(
                  file (name + ".yml"),
                  [ "pki: {ca: " + file "ca.crt" + ", cert: " + crt + ", key: " + key + "}"
                    "static_host_map: {\"" + tunnel[other] + "\": [\"" + wire[other] + ":4242\"]}"
                    "lighthouse: {am_lighthouse: false, interval: 60, hosts: []}"
                    "listen: {host: 0.0.0.0, port: 4242, batch: 64}"
                    "punchy: {punch: false}"
                    "tun: {disabled: false, dev: nebula, mtu: 1300}"
                    "firewall: {outbound: [{port: any, proto: any, host: any}], inbound: [{port: any, proto: any, host: any}]}" ]
              )

              let space = [ place.A; place.B ][own]
              let settings = [ "-config"; file (name + ".yml") ]
              spawn (file (name + ".log")) [] space (rival "nebula") settings
              Threading.Thread.Sleep 1000 ]

    { Label = "nebula"; What = "nebula of Debian sid"; Start = start }

/// All that can be asked for.
let all: Subject list =
    let both program () = [ program "tincd"; program "tincd" ]
    let ourTinc () = ours "tinc"

    [ tinc11 "ours" "ours at both ends" ourTinc (both ours) []
      tinc11 "stock" "stock tinc 1.1 at both ends" (fun () -> stock "tinc") (both stock) []
      tinc11 "mixed" "ours here, stock tinc 1.1 there" ourTinc (fun () -> [ ours "tincd"; stock "tincd" ]) []
      wireguard
      nebula
      tinc11 "switch" "ours in switch mode" ourTinc (both ours) [ "Mode = switch" ]
      tinc11 "stock-switch" "stock tinc 1.1 in switch mode" (fun () -> stock "tinc") (both stock) [ "Mode = switch" ]
      tinc10 "ours-legacy" "ours, by the protocol of tinc 1.0" (fun () -> ours "tincd")
      tinc10 "stock-legacy" "stock tinc 1.0" (fun () -> stock10 "tincd") ]

/// What is measured if nothing else is said.
let usual: string list = [ "ours"; "stock"; "mixed"; "wireguard-go" ]
