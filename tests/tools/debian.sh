# Debian packages of other suites than the machine's own, from the mirror that its own apt uses, through a private apt state:
# nothing is installed and the machine's sources stay as they are. To be sourced.

# The mirror of the Debian archive among this machine's own sources: by its label when apt has read its lists, else by name.
mirror() {
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | head -n 1 | grep . ||
        apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -i debian | grep -vi security | head -n 1
}

# private_apt FOLDER SUITE...: reads the package lists of these suites into the folder; then `apt-get "${apt[@]}"` knows them.
private_apt() {
    local work=$1 archive name keyring=/usr/share/keyrings/debian-archive-keyring.gpg options=
    shift
    archive=$(mirror) || fail "no Debian archive among this machine's apt sources"
    [ ! -r "$keyring" ] || options="[signed-by=$keyring] "
    for name in "$@"; do echo "deb $options$archive $name main"; done >"$work/sources.list"

    mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/packages"
    apt=(-qq -o "Dir::State=$work/state" -o "Dir::Cache=$work/cache"
        -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o APT::Sandbox::User=root -o Acquire::Retries=5 -o Acquire::Languages=none
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
    apt-get "${apt[@]}" update || fail "cannot read the package lists of $*"
}
