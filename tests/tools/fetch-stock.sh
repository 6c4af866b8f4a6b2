#!/usr/bin/env bash
# Places stock tinc 1.1 and 1.0, the peers of the interop tests, under tests/.stock:
#   tests/.stock/tinc-1.1/{tincd,tinc}   1.1~pre18, from Debian's experimental suite
#   tests/.stock/tinc-1.0/tincd          1.0.36
# The packages come from the mirror that this machine's own apt uses, through a private apt state: nothing is installed and
# the machine's sources stay as they are. Quick when everything is there already.
set -euo pipefail

# The suite whose libraries the experimental package was linked with (libminiupnpc17, libssl3).
suite=bookworm
libraries="liblzo2-2 libminiupnpc17 libncurses6 libreadline8 libssl3 libtinfo6 zlib1g"

here=$(cd "$(dirname "$0")" && pwd)
stock=$(dirname "$here")/.stock

complete() {
    "$stock/tinc-1.1/tincd" --version 2>/dev/null | grep -q 'tinc version 1\.1' &&
        "$stock/tinc-1.1/tinc" --version 2>/dev/null | grep -q 'tinc version 1\.1' &&
        "$stock/tinc-1.0/tincd" --version 2>/dev/null | grep -q 'tinc version 1\.0'
}

fail() {
    echo "fetch-stock: $*" >&2
    exit 1
}

# wrap FOLDER PROGRAM: an executable that runs the unpacked program with the unpacked libraries.
wrap() {
    cat >"$1/$2" <<'WRAPPER'
#!/bin/sh
here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" OPENSSL_MODULES="$here/lib/ossl-modules"
exec "$here/root/usr/sbin/${0##*/}" "$@"
WRAPPER
    chmod +x "$1/$2"
}

# unpack FOLDER PACKAGE-FILE...: a program's files into FOLDER/root, all shared libraries together in FOLDER/lib.
unpack() {
    local folder=$1 package
    shift
    rm -rf "$folder"
    mkdir -p "$folder/root" "$folder/lib"
    for package in "$@"; do dpkg -x "$package" "$folder/root"; done
    find "$folder/root" -type d -name ossl-modules -exec mv -t "$folder/lib" {} +
    find "$folder/root" \( -type f -o -type l \) -name 'lib*.so*' -path '*-linux-*' -exec mv -t "$folder/lib" {} +
}

complete && exit 0

for tool in apt-get dpkg; do
    command -v "$tool" >/dev/null || fail "stock tinc comes from Debian packages, and this machine has no $tool"
done

mkdir -p "$stock"
exec 8>"$stock/.lock"
flock 8
complete && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/tools/debian.sh
. "$here/debian.sh"
private_apt "$work" "$suite" experimental
cd "$work/packages"
mkdir libraries old new
# shellcheck disable=SC2086 # a list of names
(cd libraries && apt-get "${apt[@]}" -t "$suite" download $libraries)
(cd old && apt-get "${apt[@]}" download "tinc/$suite")
(cd new && apt-get "${apt[@]}" download tinc/experimental)

unpack "$stock/tinc-1.1" new/*.deb libraries/*.deb
wrap "$stock/tinc-1.1" tincd
wrap "$stock/tinc-1.1" tinc
unpack "$stock/tinc-1.0" old/*.deb libraries/*.deb
wrap "$stock/tinc-1.0" tincd

complete || fail "the unpacked programs do not run here: $("$stock/tinc-1.1/tincd" --version 2>&1 | head -n 1)"
