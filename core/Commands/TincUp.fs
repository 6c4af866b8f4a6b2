/// The script that sets up the network interface as an invitation says (spec 06 §21). Only canonical forms of addresses
/// are written, so that nothing else of an invitation reaches a shell.
module TincPure.Commands.TincUp

open System
open TincPure.Topology
open TincPure.Config

type Platform =
    | Linux
    | OtherUnix
    | Windows

/// What has been asked for so far.
type Script =
    {
        Platform: Platform
        /// Commands, the newest first.
        Commands: string list
        /// Complaints, the newest first.
        Complaints: string list
        /// Our own addresses, as far as they are known.
        V4: string voption
        V6: string voption
    }

let empty (platform: Platform) : Script =
    { Platform = platform
      Commands = []
      Complaints = []
      V4 = ValueNone
      V6 = ValueNone }

/// The script does something.
let isComplete (script: Script) : bool = not (List.isEmpty script.Commands)

let private add (command: string) (script: Script) = { script with Commands = command :: script.Commands }

let private complain (text: string) (script: Script) = { script with Complaints = text :: script.Complaints }

/// The address without prefix length and weight.
let private addressOnly (subnet: Subnet) = (Subnet.toText subnet).Split('/', '#')[0]

let private dhcp (script: Script) =
    match script.Platform with
    | Linux
    | OtherUnix -> add "dhclient -nw \"$INTERFACE\"" script
    | Windows -> add "netsh interface ipv4 set address \"%INTERFACE%\" dhcp" script

let private dhcp6 (script: Script) =
    match script.Platform with
    | Linux
    | OtherUnix -> add "dhclient -6 -nw \"$INTERFACE\"" script
    | Windows -> complain "DHCPv6 requested, but not supported by tinc on this platform" script

let private slaac (script: Script) =
    match script.Platform with
    | Linux ->
        script
        |> add "echo 1 >\"/proc/sys/net/ipv6/conf/$INTERFACE/accept_ra\""
        |> add "echo 1 >\"/proc/sys/net/ipv6/conf/$INTERFACE/autoconf\""
    | OtherUnix -> add "rtsol \"$INTERFACE\" &" script
    | Windows -> script

let private address (subnet: Subnet) (script: Script) =
    let text = Subnet.toText subnet
    let isV4 = subnet.Family = Family.IPv4

    let command =
        match script.Platform with
        | Linux -> "ip addr replace " + text + " dev \"$INTERFACE\""
        | OtherUnix when isV4 -> "ifconfig \"$INTERFACE\" " + text
        | OtherUnix -> "ifconfig \"$INTERFACE\" inet6 " + text
        | Windows when isV4 -> "netsh interface ipv4 set address \"%INTERFACE%\" static " + text
        | Windows -> "netsh interface ipv6 set address \"%INTERFACE%\" " + text

    let own = ValueSome(addressOnly subnet)
    add command (if isV4 then { script with V4 = own } else { script with V6 = own })

/// An `Ifconfig` line.
let ifconfig (value: string) (script: Script) : Script =
    if ByteText.same value "dhcp" then
        dhcp script
    elif ByteText.same value "dhcp6" then
        dhcp6 script
    elif ByteText.same value "slaac" then
        slaac script
    else
        match Subnet.tryParse value with
        | Error _ -> complain "Could not parse address in Ifconfig statement" script
        | Ok subnet when subnet.Family = Family.Mac -> script
        | Ok subnet -> address subnet script

let private route (subnet: Subnet) (gateway: string voption) (script: Script) =
    let net = Subnet.toText subnet
    let isV4 = subnet.Family = Family.IPv4

    match script.Platform with
    | Linux ->
        let via =
            match gateway with
            | ValueSome gateway -> " via " + gateway + " dev \"$INTERFACE\" onlink"
            | ValueNone -> " dev \"$INTERFACE\""

        add ("ip route add " + net + via) script
    | OtherUnix ->
        let target = gateway |> ValueOption.orElse (if isV4 then script.V4 else script.V6)

        match target with
        | ValueSome target -> add ("route add " + (if isV4 then "" else "-inet6 ") + net + " " + target) script
        | ValueNone -> complain "Route requested but no Ifconfig" script
    | Windows ->
        let family = if isV4 then "ipv4" else "ipv6"

        let via =
            match gateway with
            | ValueSome gateway -> " " + gateway
            | ValueNone -> ""

        add ("netsh interface " + family + " add route " + net + " \"%INTERFACE%\"" + via) script

/// A `Route` line: a network, and perhaps, after a blank, the gateway to it.
let routeTo (value: string) (script: Script) : Script =
    let struct (network, gateway) =
        match value.IndexOf ' ' with
        | -1 -> struct (value, ValueNone)
        | blank -> struct (value.Substring(0, blank), ValueSome(value.Substring(blank + 1)))

    match Subnet.tryParse network with
    | Ok subnet when subnet.Family <> Family.Mac ->
        match gateway |> ValueOption.map Subnet.tryParse with
        | ValueNone -> route subnet ValueNone script
        | ValueSome(Ok gateway) when gateway.Family = subnet.Family ->
            route subnet (ValueSome(addressOnly gateway)) script
        | ValueSome _ -> complain "Could not parse gateway in Route statement" script
    | _ -> complain "Could not parse subnet in Route statement" script

let private placeholder (platform: Platform) =
    let hint =
        match platform with
        | Linux -> "#ip addr add <your vpn IP address>/<prefix of whole VPN> dev $INTERFACE\n"
        | OtherUnix
        | Windows -> "#ifconfig $INTERFACE <your vpn IP address>/<prefix of whole VPN>\n"

    hint + "\necho \"Unconfigured tinc-up script, please edit '$0'!\" >&2\n"

/// The text of the script; one that does nothing says so.
let print (script: Script) : string =
    let commands = script.Commands |> List.rev |> List.map (fun command -> command + "\n") |> String.Concat

    match struct (script.Platform, isComplete script) with
    | struct (Windows, _) -> commands
    | struct (Linux, true) -> "#!/bin/sh\nip link set \"$INTERFACE\" up\n" + commands
    | struct (Linux, false) -> "#!/bin/sh\nip link set \"$INTERFACE\" up\n" + placeholder Linux
    | struct (OtherUnix, true) -> "#!/bin/sh\n" + commands + "ifconfig \"$INTERFACE\" up\n"
    | struct (OtherUnix, false) -> "#!/bin/sh\n" + placeholder OtherUnix
