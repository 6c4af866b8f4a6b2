/// What `tinc` says about itself (spec 06 §2).
module TincPure.Commands.Usage

/// After a wrong option or command.
let hint (program: string) : string = "Try `" + program + " --help' for more information.\n"

/// The usage text of `tinc --help`.
let help (program: string) : string =
    "Usage: "
    + program
    + """ [options] command

Valid options are:
  -b, --batch             Don't ask for anything (non-interactive mode).
  -c, --config=DIR        Read configuration options from DIR.
  -n, --net=NETNAME       Connect to net NETNAME.
      --pidfile=FILENAME  Read control cookie from FILENAME.
      --force             Force some commands to work despite warnings.
      --help              Display this help and exit.
      --version           Output version information and exit.

Valid commands are:
  init [name]                Create initial configuration files.
  get VARIABLE               Print current value of VARIABLE
  set VARIABLE VALUE         Set VARIABLE to VALUE
  add VARIABLE VALUE         Add VARIABLE with the given VALUE
  del VARIABLE [VALUE]       Remove VARIABLE [only ones with matching VALUE]
  start [tincd options]      Start tincd.
  stop                       Stop tincd.
  restart [tincd options]    Restart tincd.
  reload                     Partially reload configuration of running tincd.
  pid                        Show PID of currently running tincd.
  generate-keys [bits]       Generate new RSA and Ed25519 public/private key pairs.
  generate-rsa-keys [bits]   Generate a new RSA public/private key pair.
  generate-ed25519-keys      Generate a new Ed25519 public/private key pair.
  dump                       Dump a list of one of the following things:
    [reachable] nodes        - all known nodes in the VPN
    edges                    - all known connections in the VPN
    subnets                  - all known subnets in the VPN
    connections              - all meta connections with ourself
    [di]graph                - graph of the VPN in dotty format
    invitations              - outstanding invitations
  info NODE|SUBNET|ADDRESS   Give information about a particular NODE, SUBNET or ADDRESS.
  purge                      Purge unreachable nodes
  debug N                    Set debug level
  retry                      Retry all outgoing connections
  disconnect NODE            Close meta connection with NODE
  top                        Show real-time statistics
  pcap [snaplen]             Dump traffic in pcap format [up to snaplen bytes per packet]
  log [level]                Dump log output [up to the specified level]
  export                     Export host configuration of local node to standard output
  export-all                 Export all host configuration files to standard output
  import                     Import host configuration file(s) from standard input
  exchange                   Same as export followed by import
  exchange-all               Same as export-all followed by import
  invite NODE                Generate an invitation for NODE
  join INVITATION            Join a VPN using an INVITATION
  network [NETNAME]          List all known networks, or switch to the one named NETNAME.
  fsck                       Check the configuration files for problems.
  sign [FILE]                Generate a signed version of a file.
  verify NODE [FILE]         Verify that a file was signed by the given NODE.
  edit FILE                  Edit a configuration file
  status                     Tell how each node is reached [--watch]
  why ADDRESS                Explain where packets to ADDRESS go
  events                     Print a line for each change of the VPN's state
  doctor [LOGFILE]           Look for what is usually wrong
  completion SHELL           Print a completion script for bash, zsh, fish or powershell

COMMAND --help tells more about one command, help VARIABLE about a variable, help variables names all. dump, info, fsck, invite, version, status, why, events and doctor print JSON with --json.

"""
