/// How many TCP connections are let in: two leaky buckets that drain one unit a second (spec 02 §14). Unlike the
/// reference, a refused attempt puts nothing back, so that a host that keeps trying is let in at the drained rate.
module TincPure.Node.AcceptLimit

open TincPure.Primitives

/// A bucket's level and the second in which it was last looked at.
[<Struct>]
type Bucket = { Level: int; Second: int64 }

type State = { LastHost: Ip; Host: Bucket; All: Bucket }

let empty =
    let bucket = { Level = 0; Second = 0L }

    { LastHost = Ip.v4 0u; Host = bucket; All = bucket }

let private drain (second: int64) (bucket: Bucket) =
    let elapsed = max 0L (second - bucket.Second)

    { Level = int (max 0L (int64 bucket.Level - elapsed)); Second = second }

let private isLoopback (ip: Ip) = if ip.IsV6 then ip.High = 0UL && ip.Low = 1UL else (ip.Low >>> 24) = 127UL

/// Whether one more connection from `ip` is let in while at most `burst` may come at once. Loopback is exempt.
let admit (burst: int) (now: Instant) (ip: Ip) (state: State) : struct (bool * State) =
    if isLoopback ip then
        struct (true, state)
    else
        let second = Instant.seconds now
        let all = drain second state.All

        let host =
            if state.LastHost = ip then
                drain second state.Host
            else
                { Level = 0; Second = second }

        if all.Level >= burst || host.Level >= burst then
            struct (false, { LastHost = ip; Host = host; All = all })
        else
            struct (true,
                    { LastHost = ip
                      Host = { host with Level = host.Level + 1 }
                      All = { all with Level = all.Level + 1 } })
