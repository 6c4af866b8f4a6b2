/// Numeric IP addresses as text: strict reading as inet_pton does it, printing as glibc's inet_ntop does it, which is
/// what stock nodes show and exchange (spec 02 §16, spec 04 §6.1). .NET's own text differs in corner cases.
module TincPure.Primitives.IpText

open System
open System.Globalization

/// .NET takes NULs behind a number for nothing.
let private isWhole (part: string) = not (part.EndsWith '\000')

/// Four decimal numbers up to 255, separated by dots, without leading zeros.
let tryParseV4 (text: string) : uint32 voption =
    let folder (address: uint32 voption) (part: string) =
        match address, Byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture) with
        | ValueSome address, (true, value) when (part.Length = 1 || part[0] <> '0') && isWhole part ->
            ValueSome((address <<< 8) ||| uint32 value)
        | _ -> ValueNone

    match text.Split '.' with
    | parts when parts.Length = 4 -> Array.fold folder (ValueSome 0u) parts
    | _ -> ValueNone

/// The 16-bit groups in one side of a `::`; a dotted quad may stand for the last two where `quadAllowed`.
let private tryGroups (quadAllowed: bool) (text: string) : uint16 list voption =
    let rec groups (parts: string list) =
        match parts with
        | [] -> ValueSome []
        | [ quad ] when quadAllowed && quad.Contains '.' ->
            tryParseV4 quad |> ValueOption.map (fun address -> [ uint16 (address >>> 16); uint16 address ])
        | part :: rest ->
            match UInt16.TryParse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) with
            | true, group when part.Length <= 4 && isWhole part ->
                groups rest |> ValueOption.map (fun rest -> group :: rest)
            | _ -> ValueNone

    if text = "" then ValueSome [] else groups (List.ofArray (text.Split ':'))

/// Eight groups of at most four hexadecimal digits, `::` at most once for one or more zero groups, possibly a dotted
/// quad at the end; no scope, no brackets. The upper and the lower 64 bits.
let tryParseV6 (text: string) : struct (uint64 * uint64) voption =
    let value groups = List.fold (fun value (group: uint16) -> (value <<< 16) ||| uint64 group) 0UL groups

    let whole (groups: uint16 list) = struct (value (List.take 4 groups), value (List.skip 4 groups))

    match text.IndexOf("::", StringComparison.Ordinal) with
    | -1 ->
        match tryGroups true text with
        | ValueSome groups when groups.Length = 8 -> ValueSome(whole groups)
        | _ -> ValueNone
    | gap ->
        match tryGroups false (text.Substring(0, gap)), tryGroups true (text.Substring(gap + 2)) with
        | ValueSome left, ValueSome right when left.Length + right.Length <= 7 ->
            ValueSome(whole (left @ List.replicate (8 - left.Length - right.Length) 0us @ right))
        | _ -> ValueNone

let printV4 (address: uint32) : string =
    String.Join('.', [| for shift in 24..-8..0 -> (byte (address >>> shift)).ToString() |])

/// The first longest run of at least two zero groups: where it begins and how long it is, (-1, 0) if there is none.
let private longestZeroRun (groups: uint16[]) : struct (int * int) =
    let rec runFrom i = if i < groups.Length && groups[i] = 0us then 1 + runFrom (i + 1) else 0

    let mutable best = struct (-1, 0)

    for i in 0 .. groups.Length - 1 do
        let struct (_, length) = best
        let run = runFrom i

        if run >= 2 && run > length then
            best <- struct (i, run)

    best

/// Lower case, no leading zeros, `::` for the first longest run of at least two zero groups; `::a.b.c.d` and
/// `::ffff:a.b.c.d` with a dotted quad.
let printV6 (high: uint64) (low: uint64) : string =
    let groups =
        [| for half in [ high; low ] do
               for shift in 48..-16..0 -> uint16 (half >>> shift) |]

    let hex (groups: uint16[]) = String.Join(':', groups |> Array.map (fun group -> group.ToString "x"))

    match longestZeroRun groups with
    | struct (0, 6) -> "::" + printV4 (uint32 low)
    | struct (0, 5) when groups[5] = 0xffffus -> "::ffff:" + printV4 (uint32 low)
    | struct (-1, _) -> hex groups
    | struct (start, length) -> hex (Array.take start groups) + "::" + hex (Array.skip (start + length) groups)
