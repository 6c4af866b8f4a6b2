#!/usr/bin/env bash
# Everything that is done with this tree, by one door: ./build.sh help
set -euo pipefail
cd "$(dirname "$0")"

configuration=Release
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

usage() {
    cat <<'USAGE'
usage: ./build.sh COMMAND [ARGUMENTS]

  demo          build, then run a three-node mesh with a stock tinc node in it
  test [ARGS]   install what the tests need, build, check the format, fuzz shortly, run all tests; ARGS go to `dotnet test`
  publish [RID | framework]
                put ready-to-run `tinc` and `tincd` into out/, a file each that needs no .NET installed (for this machine, or for
                RID into out-RID/); `framework`: smaller ones into out-framework/, which need the .NET runtime
  soak [FILTER] run the tests with real daemons that take up to an hour each: silence, full load, 50 peers, trouble in a
                mixed mesh (TINCPURE_INTEROP_MINUTES, 20 if not set), 100 daemons that restart (TINCPURE_INTEROP_NODES for
                another number), reboots; FILTER is part of their names
  day [N HOURS] simulate a mesh of N nodes, of which one or a link fails each minute, for so many hours (100 nodes, 24 hours)
  bench [ARGS]  run the benchmarks; ARGS go to BenchmarkDotNet
  bench crypto | packets | topology | compression | legacy | node
                the same as short tables
  bench pairs [ARGS]
                measure tunnels of ours, of stock and of others end to end, side by side (--help says more)
  fuzz [ARGS]   run the fuzz targets, for a minute if nothing else is said; ARGS go to the runner (see fuzz/README.md)
  format        lay out all source files
  check-format  fail if `format` would change anything
  manual        write the table of docs/configuration.md anew, from the one in the code
  build         build the solution
  help          this text
USAGE
}

tools() { dotnet fantomas --version >/dev/null 2>&1 || dotnet tool restore >/dev/null; }

build() { dotnet build TincPure.sln -c "$configuration" -v quiet --nologo; }

publish() {
    local rid=${1:-} out=out arguments=() program
    case "$rid" in
        "") ;;
        framework)
            out=out-framework
            arguments=(-p:SelfContained=false -p:PublishSingleFile=false -p:PublishTrimmed=false -p:PublishReadyToRunComposite=false)
            ;;
        *)
            out=out-$rid
            arguments=(-r "$rid")
            ;;
    esac
    rm -rf "$out" # never overwrite in place what a running program has mapped
    for program in tinc tincd; do
        dotnet publish "hosts/$program" -c "$configuration" -v quiet --nologo -o "$out" \
            -p:PublishReadyToRun=true "${arguments[@]}"
    done
}

format() {
    tools
    dotnet fantomas core tests fuzz
    dotnet format whitespace --folder --include hosts/ tests/
}

check_format() {
    tools
    dotnet fantomas --check core tests fuzz &&
        dotnet format whitespace --folder --include hosts/ tests/ --verify-no-changes
}

# Runs the tests again that failed according to a log.
again() {
    local filter
    filter=$(sed -nE 's/^  Failed ([A-Za-z0-9_.]+).*/FullyQualifiedName~\1/p' "$2" | sort -u | paste -sd '|')
    [ -n "$filter" ] || return 1
    echo "== once more: $filter"
    dotnet test "$1" -c "$configuration" --no-build --nologo --filter "$filter"
}

# Runs every test project, one after the other (2 cores: tests with real daemons must not compete), and sums up.
run_tests() {
    local project log code counts f p s passed=0 failed=0 skipped=0
    log=$(mktemp)
    for project in tests/*.Tests/*.*proj; do
        echo "== $(basename "${project%.*}")"
        code=0
        dotnet test "$project" -c "$configuration" --no-build --nologo \
            --blame-hang --blame-hang-timeout 10m --blame-hang-dump-type none "$@" 2>&1 | tee "$log" || code=$?
        counts=$(sed -nE 's/.*Failed: +([0-9]+), Passed: +([0-9]+), Skipped: +([0-9]+), Total:.*/\1 \2 \3/p' "$log" |
            awk '{ f += $1; p += $2; s += $3 } END { print f + 0, p + 0, s + 0 }')
        # A test host that died counts nothing: that is a failure too.
        if [ "$code" != 0 ] && [ "${counts%% *}" = 0 ]; then counts="1 ${counts#* }"; fi
        read -r f p s <<<"$counts"
        # Real daemons live in real time: what fails beside others is tried once more with nothing beside, and said so.
        if [ "$f" != 0 ] && [ "$f" -le 5 ] && [[ $project == *Interop* ]] && again "$project" "$log"; then
            echo "Failed at first, passed when tried again: $f"
            p=$((p + f)) f=0
        fi
        failed=$((failed + f)) passed=$((passed + p)) skipped=$((skipped + s))
    done
    rm -f "$log"
    if [ "$skipped" != 0 ]; then
        echo "Skipped: tests that take up to an hour each, which \`./build.sh soak\` runs, those of PowerShell where there is none, those of vectors that this processor does not have${missing:+, and those that need what is missing (see the beginning)}."
    fi
    summary="$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ] && [ "$passed" != 0 ]
}

soak() {
    tests/tools/prepare.sh # without a stock tinc nothing of this would run
    build
    publish
    TINCPURE_INTEROP_SOAK=1 dotnet test tests/TincPure.Interop.Tests -c "$configuration" --no-build --nologo \
        --logger "console;verbosity=detailed" --filter "Category=Soak&FullyQualifiedName~${1:-TincPure}"
}

# Every target for a second or so, the same inputs each time: what is kept in fuzz/corpus is tried again, too.
fuzz_shortly() {
    echo "== fuzzing"
    dotnet run --project fuzz -c "$configuration" --no-build -- --seconds 15 --seed 1
}

# The daemon without the protocol of tinc 1.0 (Debug: nobody runs it): it builds, says what it is, and has no use for an RSA key.
try_without_legacy() {
    local folder=$PWD/artifacts/without-legacy
    echo "== without the legacy protocol"
    rm -rf "$folder"
    dotnet build hosts/tincd -c Debug -v quiet --nologo --no-restore -p:LegacyProtocol=false \
        -p:IntermediateOutputPath=obj/without-legacy/ -p:OutputPath="$folder/" || return
    mkdir -p "$folder/net/hosts" && : >"$folder/net/hosts/node"
    printf 'Name = node\nDeviceType = dummy\nExperimentalProtocol = no\n' >"$folder/net/tinc.conf"
    ! "$folder/tincd" -c "$folder/net" -D --pidfile="$folder/pid" 2>"$folder/log" &&
        grep -q "built without the legacy protocol" "$folder/log" &&
        grep -q "No private keys available, cannot start tinc!" "$folder/log" &&
        ! grep -q "rsa_key" "$folder/log" &&
        "$folder/tincd" --version >"$folder/version" &&
        ! grep -q legacy_protocol "$folder/version"
}

run_all() {
    local problems=() summary="0 passed, 0 failed" missing=
    if ! tests/tools/prepare.sh; then
        echo "The tests that need what is missing are skipped, or fail in CI." >&2
        missing=yes
        [ "${CI:-}" != true ] || problems+=("prerequisites are missing")
    fi
    build
    publish
    check_format || problems+=("the format differs: run ./build.sh format")
    try_without_legacy || problems+=("the build without the legacy protocol does not do what it should: see artifacts/without-legacy/log")
    fuzz_shortly || problems+=("fuzzing found something: its input is in fuzz/corpus")
    run_tests "$@" || problems+=("tests failed")
    if [ ${#problems[@]} -gt 0 ]; then printf 'FAILED: %s\n' "${problems[@]}"; fi
    echo "$summary"
    [ ${#problems[@]} = 0 ]
}

command=${1:-help}
[ $# = 0 ] || shift
case "$command" in
    build) build ;;
    demo) exec tests/demo/demo.sh "$@" ;;
    test) run_all "$@" ;;
    publish) publish "$@" ;;
    soak) soak "$@" ;;
    day) dotnet run --project tests/TincPure.Simulation -c "$configuration" -- day "$@" ;;
    bench)
        [ "${1:-}" != pairs ] || [ "${2:-}" = --help ] || { tests/tools/prepare.sh && tests/tools/fetch-rivals.sh && publish; }
        dotnet run --project tests/TincPure.Benchmarks -c "$configuration" -- "$@" ;;
    fuzz) dotnet run --project fuzz -c "$configuration" -- "$@" ;;
    format) format ;;
    check-format) check_format ;;
    manual) TINCPURE_WRITE_MANUAL=1 dotnet test tests/TincPure.Core.Tests -c "$configuration" --nologo --filter ManualTests ;;
    help | -h | --help) usage ;;
    *)
        usage >&2
        exit 2
        ;;
esac
