namespace TincPure.Config

open System
open TincPure.Primitives

/// What came of reading a file.
type FileRead =
    /// Byte text. `exposed`: others than the owner have some right to the file.
    | Content of text: string * exposed: bool
    | CannotOpen of reason: string * missing: bool
    | CannotRead of reason: string

/// The files of a configuration directory as a host found them, and what else configuration depends on.
type Snapshot =
    {
        ConfBase: string
        NetName: string voption
        /// Between the parts of a path.
        Separator: string
        /// The `-o` options in order, as byte text.
        Options: string list
        Environment: Map<string, string>
        HostName: Result<string, string>
        /// Names in the folders `conf.d` and `hosts`; a folder that does not exist is missing.
        Folders: Map<string, Result<string list, string>>
        /// By path. See `Files.wanted`.
        Files: Map<string, FileRead>
    }

module Snapshot =

    /// A path below the configuration directory.
    let path (snapshot: Snapshot) (parts: string list) : string =
        String.Join(snapshot.Separator, snapshot.ConfBase :: parts)

    /// The host file of a node.
    let hostPath (snapshot: Snapshot) (name: NodeName) : string = path snapshot [ "hosts"; name.Text ]

    let private isRooted (file: string) =
        file.StartsWith '/'
        || file.StartsWith '\\'
        || (file.Length > 2 && Char.IsAsciiLetter file[0] && file[1] = ':')

    /// A path given in a configuration: relative to the configuration directory.
    let namedPath (snapshot: Snapshot) (file: string) : string = if isRooted file then file else path snapshot [ file ]

    /// What came of reading a file; one that was not read is missing.
    let fileOf (snapshot: Snapshot) (file: string) : FileRead =
        match Map.tryFind file snapshot.Files with
        | Some read -> read
        | None -> CannotOpen("No such file or directory", true)
