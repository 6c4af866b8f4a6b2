namespace TincPure.Config

/// Routing mode (spec 04 §7).
type Mode =
    | Router
    | Switch
    | Hub

/// What happens to frames of one peer for another (spec 04 §7).
type Forwarding =
    | Off
    | Internal
    | Kernel

/// How broadcast frames travel (spec 04 §13).
type Broadcast =
    | NoBroadcast
    | SpanningTree
    | Direct
