namespace TincPure.Config

/// Routing mode (spec 04 §7).
[<Struct>]
type Mode =
    | Router
    | Switch
    | Hub

/// What happens to frames of one peer for another (spec 04 §7).
[<Struct>]
type Forwarding =
    | Off
    | Internal
    | Kernel

/// How broadcast frames travel (spec 04 §13).
[<Struct>]
type Broadcast =
    | NoBroadcast
    | SpanningTree
    | Direct
