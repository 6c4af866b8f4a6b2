namespace TincPure.Node

open TincPure.Primitives
open TincPure.Config
open TincPure.Routing

/// A meta connection. Core numbers those that it opens, the host those that it accepts.
[<Struct>]
type ConnectionId =
    | Outgoing of opened: int
    | Incoming of accepted: int

/// Who is at the other end of an accepted stream.
type Remote =
    | Tcp of Endpoint
    /// The control socket.
    | UnixSocket

/// What a host file, its cache file and its absence look like when read again.
type HostFile =
    | Missing
    | Present of HostSettings * recentAddresses: Endpoint list

/// What became of the wish to take an invitation's file.
type InvitationFile =
    | InvitationMissing
    | InvitationUnusable of reason: string
    | InvitationText of text: byte[] * modified: Instant

type Signal =
    | Hangup
    | Alarm
    | Terminate
    | Interrupt
    | Quit
    | User1
    | User2
    | WindowChange

/// Everything that can happen to a node.
type Input =
    /// The listening sockets, in the order of their numbers (local address and port of each), and the device's
    /// interface name are known; the node may begin to connect.
    | Started of udpSockets: Endpoint list * tcpSockets: Endpoint list
    /// The time asked for by `WakeAt` has come.
    | Woken
    | Accepted of ConnectionId * local: Endpoint voption * remote: Remote
    | Connected of ConnectionId * local: Endpoint voption
    | ConnectFailed of ConnectionId * reason: string
    | Received of ConnectionId * bytes: byte[]
    /// So many bytes of the output queue have left.
    | Sent of ConnectionId * count: int
    /// End of stream (no reason) or a read or write error.
    | Lost of ConnectionId * reason: string voption
    | Resolved of request: int * Result<Endpoint list, string>
    /// In answer to `LookUpName`: what the address is called, if anything.
    | NameFound of Ip * string voption
    | Punted of Punt
    | HostFileRead of NodeName * HostFile
    | InvitationTaken of ConnectionId * InvitationFile
    /// In answer to `CreateHostFile`: no problem, an empty one if the file exists already, or what went wrong.
    | HostFileCreated of ConnectionId * problem: string voption
    /// All configuration files were read again, in answer to `ReadConfiguration`: what there is to say about them, and the
    /// settings, unless our own files could not be read.
    | ConfigurationRead of log: LogLine list * Settings voption
    /// The kernel's path MTU towards an address, in answer to `AskPathMtu`.
    | PathMtuKnown of peer: int * isV6: bool * Result<int, string>
    /// The local address that would talk to the sender of a frame, in answer to `AskLocalAddress`.
    | LocalAddressKnown of source: int * frame: byte[] * Ip
    /// Fresh entropy for the node's generator (32 bytes or more).
    | Entropy of byte[]
    | Signalled of Signal
    /// A link went up or down, or an address came or went, on this interface (empty if it is not known).
    | NetworkChanged of interfaceName: string
    /// The device cannot be used any more: nothing is left to carry (spec 07 §1.3).
    | DeviceLost
    /// The host itself has logged something: whoever streams the log gets it, too.
    | Said of LogLine

/// How a script is run: its name below the configuration directory and its environment, in order.
type Script = { Name: string; Environment: (string * string) list }

/// Everything that a node can want. A host carries effects out in order and reports what comes of them as inputs.
type Effect =
    | Log of LogLine
    /// The log file may have been moved away: open it anew by its name.
    | ReopenLog
    /// What the host itself logs is shown up to this level from now on.
    | ShowUpTo of level: int
    | Send of ConnectionId * byte[]
    | Connect of ConnectionId * target: Endpoint
    /// Connect to this proxy instead; what is said to it is the node's business.
    | ConnectToProxy of ConnectionId * server: HostPort
    /// Run this command in the shell with these variables: its standard input and output are the connection.
    | RunProxy of ConnectionId * command: string * environment: (string * string) list
    /// Close after what is queued has been written.
    | Close of ConnectionId
    /// Keep the socket open and ignore it (spec 02 §14).
    | Tarpit of ConnectionId
    /// Addresses of this family of a name.
    | Resolve of request: int * AddressFamily * host: string * port: string
    /// The name of an address, for logs and dumps.
    | LookUpName of Ip
    | Packet of PacketCommand
    /// The node wants `Woken` at this moment; replaces the previous wish.
    | WakeAt of Instant
    | RunScript of Script
    /// The scripts of the start have run: what only the start needed is given up now (spec 05 §2.8, §2.11).
    | DropPrivileges
    | ReadHostFile of NodeName
    /// Append this text to the host file.
    | AppendHostFile of NodeName * text: string
    /// Rename `invitations/FILE` to `FILE.used`, which only one caller can, and read it.
    | TakeInvitation of ConnectionId * file: string
    /// Delete `invitations/FILE.used`.
    | RemoveInvitation of file: string
    /// Write the host file of a node that must not have one yet.
    | CreateHostFile of ConnectionId * NodeName * text: string
    | SaveRecentAddresses of NodeName * Endpoint list
    | ReadConfiguration
    /// Give this graph to the file, or to the command behind `|` (spec 05 §8.3).
    | WriteGraph of target: string * text: string
    | AskPathMtu of peer: int * target: Endpoint
    | AskLocalAddress of source: int * frame: byte[] * sender: Ip
    /// Everything that had to be said has been said: leave with this exit code.
    | Exit of code: int
