#!/usr/bin/env bash
# Installs what the tests and the demo need beside the .NET SDK: a few Debian packages, and stock tinc under tests/.stock.
# Exits 0 when all is there; otherwise says what is missing and why, and exits 1.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
packages=()
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] || packages+=("$2"); }
need ip iproute2
need nft nftables
need iperf3 iperf3
need ping iputils-ping
need tcpdump tcpdump
need tmux tmux
need zsh zsh
need fish fish

missing() {
    echo "prepare: $*" >&2
    exit 1
}

if [ ${#packages[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || missing "these Debian packages are needed, and this machine has no apt-get: ${packages[*]}"
    [ "$(id -u)" = 0 ] || missing "root is needed to install: ${packages[*]}"
    for attempt in 1 2 3; do
        apt-get -qq -o Acquire::Retries=5 update &&
            DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=5 -o Dpkg::Use-Pty=0 \
                install --no-install-recommends "${packages[@]}" </dev/null >/dev/null && break
        [ "$attempt" != 3 ] || missing "apt-get could not install: ${packages[*]}"
        sleep $((attempt * 5))
    done
fi

for attempt in 1 2 3; do
    "$here/fetch-stock.sh" && exit 0
    [ "$attempt" = 3 ] || sleep $((attempt * 5))
done
missing "stock tinc could not be fetched"
