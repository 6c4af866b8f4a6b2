#!/usr/bin/env bash
# Places the tunnels that ours is measured beside, as Debian's sid has them, under tests/.rivals:
#   wireguard-go, wg, nebula, nebula-cert
# The measuring program finds `wg` by PATH. Quick when everything is there already.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
rivals=$(dirname "$here")/.rivals

fail() {
    echo "fetch-rivals: $*" >&2
    exit 1
}

complete() {
    "$rivals/wireguard-go" --version >/dev/null 2>&1 && "$rivals/wg" --version >/dev/null 2>&1 &&
        "$rivals/nebula" -version >/dev/null 2>&1 && "$rivals/nebula-cert" -version >/dev/null 2>&1
}

complete && exit 0

for tool in apt-get dpkg; do
    command -v "$tool" >/dev/null || fail "they come from Debian packages, and this machine has no $tool"
done

# shellcheck source=tests/tools/debian.sh
. "$here/debian.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# wg only configures: an older one runs on more machines.
private_apt "$work" sid bookworm
cd "$work/packages"
apt-get "${apt[@]}" download wireguard-go/sid nebula/sid wireguard-tools/bookworm
for package in *.deb; do dpkg -x "$package" root; done
mkdir -p "$rivals"
for program in wireguard-go wg nebula nebula-cert; do
    find root -type f -name "$program" -perm -100 -exec cp -t "$rivals" {} +
done
ls ./*.deb >"$rivals/versions"

complete || fail "the unpacked programs do not run here"
