#!/bin/sh
# Runs Paket for MSBuild (PaketExePath) and for people. The package feed is the machine's own, so the lock file, which
# records it, is made here when it is missing or older than paket.dependencies. Projects restore in parallel: one at a time.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
here=$(pwd)
cached="$root/paket-files/paket.restore.cached"

# MSBuild asks for a full restore once per project and build; after the first there is nothing left to do.
if [ "$*" = restore ] && [ "$root/paket.lock" -nt "$root/paket.dependencies" ] && [ "$cached" -nt "$root/paket.lock" ]; then
    exit 0
fi

if [ -z "${NUGET_SOURCE:-}" ]; then
    NUGET_SOURCE=$(cd "$root" && dotnet nuget list source --format short | sed -n 's/^EM\{0,1\} //p' | head -n 1)
    [ -n "$NUGET_SOURCE" ] || { echo "paket.sh: this machine has no enabled NuGet source" >&2; exit 1; }
    export NUGET_SOURCE
fi

mkdir -p "$root/paket-files"
lock="$root/paket-files/.wrapper"
if command -v flock >/dev/null 2>&1; then
    exec 9>"$lock.lock"
    flock 9
else
    until (set -C; : >"$lock.pid") 2>/dev/null; do
        owner=$(cat "$lock.pid" 2>/dev/null || true)
        if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then rm -f "$lock.pid"; else sleep 1; fi
    done
    echo $$ >"$lock.pid"
    trap 'rm -f "$lock.pid"' EXIT
fi

cd "$root"
dotnet paket --version >/dev/null 2>&1 || dotnet tool restore >&2 9>&-
if [ ! -f paket.lock ] || [ paket.dependencies -nt paket.lock ]; then
    dotnet paket update --no-install --silent >&2 9>&-
    touch paket.lock
fi

cd "$here"
dotnet paket "$@" 9>&-
if [ "$*" = restore ] && [ -f "$cached" ]; then touch "$cached"; fi
