#!/usr/bin/env bash
# A mesh of three nodes in network namespaces: alpha and beta are TincPure, gamma is stock tinc 1.1. Alpha and gamma have
# no way to each other but through beta. Pings every pair, measures throughput, reports, and leaves nothing behind.
# Without root or TUN the same mesh runs in the simulator.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
stock=$root/tests/.stock/tinc-1.1
nodes=(alpha beta gamma)
declare -A number=([alpha]=1 [beta]=2 [gamma]=3)
prefix=tpdemo$$
work=

say() { printf '%s\n' "$*"; }
headline() { printf '\n== %s\n' "$*"; }

# ---- Where there is no root or no TUN

simulate() {
    say "This machine gives the demo no network of its own ($1): the same mesh runs in the simulator instead,"
    say "with simulated links and a virtual clock. No packet leaves this process."
    say ""
    cd "$root"
    exec dotnet run --project tests/TincPure.Simulation -c Release -- demo
}

check_machine() {
    [ "$(uname -s)" = Linux ] || simulate "it does not run Linux"
    [ "$(id -u)" = 0 ] || simulate "you are not root"
    [ -c /dev/net/tun ] || simulate "there is no /dev/net/tun"
    "$root/tests/tools/prepare.sh" || simulate "something that the demo needs could not be installed"
    ip netns add "$prefix-try" 2>/dev/null || simulate "network namespaces cannot be made"
    ip netns del "$prefix-try"
}

# ---- The end, however it comes

declare -A daemon=()

cleanup() {
    trap - EXIT INT TERM
    local node
    for node in "${!daemon[@]}"; do kill "${daemon[$node]}" 2>/dev/null || true; done
    for node in "${!daemon[@]}"; do wait "${daemon[$node]}" 2>/dev/null || true; done
    for node in "${nodes[@]}"; do ip netns del "$prefix-$node" 2>/dev/null || true; done
    [ -z "$work" ] || rm -rf "$work"
}

fail() {
    say "" "FAILED: $*" >&2
    local node
    for node in "${nodes[@]}"; do
        printf '\n-- the end of the log of %s\n' "$node" >&2
        tail -n 15 "$work/$node/log" >&2 2>/dev/null || true
    done
    exit 1
}

# ---- The network below

inside() {
    local node=$1
    shift
    ip netns exec "$prefix-$node" "$@"
}

# link A ADDRESS B ADDRESS: a cable between two namespaces.
link() {
    ip link add "v$1" netns "$prefix-$1" type veth peer name "v$1" netns "$prefix-$3"
    inside "$1" ip addr add "$2/30" dev "v$1"
    inside "$3" ip addr add "$4/30" dev "v$1"
    inside "$1" ip link set "v$1" up
    inside "$3" ip link set "v$1" up
}

make_network() {
    local node
    for node in "${nodes[@]}"; do
        ip netns add "$prefix-$node"
        inside "$node" ip link set lo up
        inside "$node" sh -c 'echo 0 > /proc/sys/net/ipv4/ip_forward'
    done
    link alpha 192.0.2.1 beta 192.0.2.2
    link gamma 198.51.100.2 beta 198.51.100.1
}

# ---- The nodes

vpn4() { echo "10.20.0.${number[$1]}"; }
vpn6() { echo "fd20::${number[$1]}"; }

# The control program of a node's own kind.
tinc() {
    local node=$1 program=$root/out/tinc
    shift
    [ "$node" != gamma ] || program=$stock/tinc
    "$program" -c "$work/$node" --pidfile "$work/$node/pid" "$@" </dev/null
}

configure() {
    local node=$1
    tinc "$node" init "$node" >"$work/$node.init" 2>&1 || fail "tinc init $node: $(cat "$work/$node.init")"
    tinc "$node" add Subnet "$(vpn4 "$node")/32"
    tinc "$node" add Subnet "$(vpn6 "$node")/128"
    tinc "$node" set Interface tinc
    [ "$node" = beta ] || tinc "$node" add ConnectTo beta
    cat >"$work/$node/tinc-up" <<SCRIPT
#!/bin/sh
ip link set \$INTERFACE up
ip addr add $(vpn4 "$node")/24 dev \$INTERFACE
ip addr add $(vpn6 "$node")/64 dev \$INTERFACE nodad
SCRIPT
    chmod +x "$work/$node/tinc-up"
}

introduce_all() {
    local from to
    tinc beta add Address 192.0.2.2
    tinc beta add Address 198.51.100.1
    for from in "${nodes[@]}"; do
        tinc "$from" export >"$work/$from.host"
        for to in "${nodes[@]}"; do
            [ "$from" = "$to" ] || cp "$work/$from/hosts/$from" "$work/$to/hosts/$from"
        done
    done
}

start_daemon() {
    local node=$1 program=$root/out/tincd
    [ "$node" != gamma ] || program=$stock/tincd
    ip netns exec "$prefix-$node" "$program" -c "$work/$node" --pidfile "$work/$node/pid" -D -d2 --logfile="$work/$node/log" &
    daemon[$node]=$!
}

# ---- Measuring

await_pair() {
    local from=$1 to=$2 attempt
    for attempt in $(seq 40); do
        inside "$from" ping -q -c 1 -W 1 "$(vpn4 "$to")" >/dev/null 2>&1 && return
        kill -0 "${daemon[$from]}" 2>/dev/null || fail "the daemon of $from has ended"
        sleep 0.25
    done
    fail "no packet from $from reaches $to"
}

# Average round trip in ms, or nothing when packets were lost.
round_trip() {
    inside "$1" ping -q -c 10 -i 0.1 -W 2 "$2" 2>/dev/null |
        awk -F'[ /]' '/ 0% packet loss/ { whole = 1 } /^rtt/ && whole { print $8 }'
}

# How packets of a node reach another, in the words of the node's own daemon.
way() {
    tinc "$1" dump nodes | awk -v target="$2" '
        $1 == target {
            for (i = 1; i < NF; i++) value[$i] = $(i + 1)
            confirmed = strtonum_hex(substr(value["status"], length(value["status"]) - 1, 1)) >= 8
            if (value["nexthop"] != target) print "by " value["nexthop"]
            else print (confirmed ? "UDP, MTU " value["pmtu"] : "TCP")
        }
        function strtonum_hex(digit) { return index("0123456789abcdef", digit) - 1 }'
}

throughput() {
    local from=$1 to=$2 server
    ip netns exec "$prefix-$to" iperf3 -s -1 >/dev/null 2>&1 &
    server=$!
    sleep 0.5
    inside "$from" iperf3 -c "$(vpn4 "$to")" -t 4 -f m 2>/dev/null |
        awk '/receiver/ { for (i = 1; i <= NF; i++) if ($i == "Mbits/sec") print $(i - 1) }'
    wait "$server" 2>/dev/null || true
}

kind() { if [ "$1" = gamma ]; then echo "stock tinc"; else echo "TincPure"; fi; }

report() {
    local from to v4 v6 cell whole=yes
    headline "The mesh: round trip over IPv4 and IPv6, and the way that packets take"
    printf '%-22s' ""
    for to in "${nodes[@]}"; do printf '%-34s' "to $to"; done
    printf '\n'
    for from in "${nodes[@]}"; do
        printf '%-22s' "$from ($(kind "$from"))"
        for to in "${nodes[@]}"; do
            cell=-
            if [ "$from" != "$to" ]; then
                v4=$(round_trip "$from" "$(vpn4 "$to")")
                v6=$(round_trip "$from" "$(vpn6 "$to")")
                [ -n "$v4" ] && [ -n "$v6" ] || whole=no
                cell="${v4:-lost} / ${v6:-lost} ms  $(way "$from" "$to")"
            fi
            printf '%-34s' "$cell"
        done
        printf '\n'
    done

    headline "Throughput of one TCP connection through the tunnel (iperf3, 4 s)"
    for pair in "alpha beta" "beta alpha" "beta gamma" "gamma beta" "alpha gamma"; do
        read -r from to <<<"$pair"
        printf '%-34s %s Mbit/s\n' "$from -> $to ($(way "$from" "$to"))" "$(throughput "$from" "$to")"
    done
    [ "$whole" = yes ] || fail "some packets were lost"
}

# ---- The demo

check_machine
headline "Building"
"$root/build.sh" publish
work=$(mktemp -d)
trap cleanup EXIT
trap 'exit 130' INT TERM

headline "Three nodes: alpha -- beta -- gamma"
make_network
for node in "${nodes[@]}"; do configure "$node"; done
introduce_all
for node in beta alpha gamma; do start_daemon "$node"; done
say "alpha: $("$root/out/tincd" --version | head -n 1)"
say "beta:  the same; the only way from alpha to gamma"
say "gamma: $("$stock/tincd" --version | head -n 1)"

started=$SECONDS
for from in "${nodes[@]}"; do
    for to in "${nodes[@]}"; do [ "$from" = "$to" ] || await_pair "$from" "$to"; done
done
say "Every pair exchanges packets, $((SECONDS - started)) s after the start."

# Some traffic, so that path MTU discovery has something to work on.
for pair in "alpha beta" "beta gamma" "gamma alpha"; do
    read -r from to <<<"$pair"
    inside "$from" ping -q -c 20 -i 0.2 "$(vpn4 "$to")" >/dev/null &
    pings+=($!)
done
wait "${pings[@]}"

report
headline "Done"
say "The namespaces, daemons and files of the demo are gone."
