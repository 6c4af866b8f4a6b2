/// The words behind `Features:` in what --version prints, which programs read: stock's, in stock's order, for what is there in this
/// build (spec 05 §1.1, spec 06 §1). Those that stock names after a library (openssl, miniupnpc, readline, curses) are not
/// among them: no such library is in here, whatever can be done without it.
module TincPure.Commands.Features

open System
open TincPure.Config

let private words (all: (string * bool) list) =
    String.Join(' ', all |> List.choose (fun (word, isThere) -> if isThere then Some word else None))

/// Of the daemon, which knows of its machine whether Sandbox and a watchdog of the service manager have an effect there.
let daemon (sandbox: bool) (watchdog: bool) : string =
    words
        [ "comp_lzo", true
          "comp_zlib", true
          "comp_lz4", true
          "legacy_protocol", OwnKeys.legacyIsBuiltIn
          "sandbox", sandbox
          "watchdog", watchdog ]

/// Of the program `tinc`.
let tinc () : string = words [ "legacy_protocol", OwnKeys.legacyIsBuiltIn ]
