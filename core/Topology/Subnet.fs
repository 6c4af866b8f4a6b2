namespace TincPure.Topology

open System
open System.Globalization
open TincPure.Primitives

/// Kinds of subnets, in the order in which they sort (spec 04 §6.1).
type Family =
    | Mac = 0
    | IPv4 = 1
    | IPv6 = 2

/// Why a text is not a subnet.
type SubnetError =
    | BadWeight
    | BadPrefixLength
    | BadAddress

/// A network that a node owns: family, address, prefix length, weight; the lowest weight wins. All four are its identity
/// (spec 04 §6.2). Bits behind the prefix are kept and compared, but mean nothing to lookups.
[<CustomEquality; CustomComparison>]
type Subnet =
    private
        {
            family: Family
            /// The address, left-aligned in 128 bits.
            high: uint64
            low: uint64
            /// Counts from the first bit of the address; 48 for a MAC address.
            prefix: int
            weight: int
        }

    member this.Family = this.family
    /// The first 64 bits of the address; shorter addresses are followed by zeros.
    member this.High = this.high
    /// The last 64 bits of an IPv6 address, else zero.
    member this.Low = this.low
    /// Prefix length in bits; 48 for a MAC address.
    member this.Prefix = this.prefix
    member this.Weight = this.weight

    /// Family, longest prefix first, address, weight (spec 04 §6.2).
    member this.CompareTo(other: Subnet) =
        let inline orElse next order = if order <> 0 then order else next ()

        compare (int this.family) (int other.family)
        |> orElse (fun () -> compare other.prefix this.prefix)
        |> orElse (fun () -> compare this.high other.high)
        |> orElse (fun () -> compare this.low other.low)
        |> orElse (fun () -> compare this.weight other.weight)

    override this.Equals(other) =
        match other with
        | :? Subnet as subnet -> this.CompareTo subnet = 0
        | _ -> false

    override this.GetHashCode() = hash (struct (this.high, this.low, this.prefix, this.weight))

    interface IEquatable<Subnet> with
        member this.Equals(other: Subnet | null) =
            match other with
            | null -> false
            | other -> this.CompareTo other = 0

    interface IComparable with
        member this.CompareTo(other) =
            match other with
            | :? Subnet as subnet -> this.CompareTo subnet
            | _ -> 1

module Subnet =

    let defaultWeight = 10

    /// Only so many characters of a subnet's text are looked at (spec 04 §6.1).
    let maxTextLength = 63

    let weight (subnet: Subnet) = subnet.Weight

    let compare (left: Subnet) (right: Subnet) = left.CompareTo right

    let private make family high low prefix weight =
        { family = family; high = high; low = low; prefix = prefix; weight = weight }

    /// A single MAC address, in the low 48 bits.
    let mac (address: uint64) (weight: int) : Subnet = make Family.Mac (address <<< 16) 0UL 48 weight

    /// The MAC address in the low 48 bits, if it is one.
    let macAddress (subnet: Subnet) : uint64 voption =
        if subnet.Family = Family.Mac then ValueSome(subnet.High >>> 16) else ValueNone

    /// None if the prefix length is not 0 to 32.
    let v4 (address: uint32) (prefix: int) (weight: int) : Subnet voption =
        if prefix < 0 || prefix > 32 then
            ValueNone
        else
            ValueSome(make Family.IPv4 (uint64 address <<< 32) 0UL prefix weight)

    /// None if the prefix length is not 0 to 128.
    let v6 (high: uint64) (low: uint64) (prefix: int) (weight: int) : Subnet voption =
        if prefix < 0 || prefix > 128 then
            ValueNone
        else
            ValueSome(make Family.IPv6 high low prefix weight)

    /// The mask of the first `prefix` bits of 128, as two halves.
    let internal mask (prefix: int) : struct (uint64 * uint64) =
        let half bits =
            if bits <= 0 then 0UL
            elif bits >= 64 then UInt64.MaxValue
            else UInt64.MaxValue <<< (64 - bits)

        struct (half prefix, half (prefix - 64))

    /// True when all bits behind the prefix are zero, as configuration demands and peers need not obey.
    let isNetwork (subnet: Subnet) : bool =
        let struct (highMask, lowMask) = mask subnet.Prefix
        subnet.High &&& ~~~highMask = 0UL && subnet.Low &&& ~~~lowMask = 0UL

    /// An integer as C's strtol reads it: white space, a sign, digits, and then the end. Out of range is an error.
    let private tryInt (text: string) : int voption =
        let digits = text.AsSpan().TrimStart " \t\n\v\f\r"

        match Int32.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) with
        | true, value when Char.IsAsciiDigit digits[digits.Length - 1] -> ValueSome value
        | _ -> ValueNone

    /// One group of a MAC address as C's scanf reads a hexadecimal number; its low 8 bits.
    let private tryMacGroup (text: string) : uint64 voption =
        let text = text.AsSpan().TrimStart " \t\n\v\f\r"
        let negative = text.Length > 0 && text[0] = '-'

        let digits =
            if text.Length > 0 && (text[0] = '-' || text[0] = '+') then
                text.Slice 1
            else
                text

        let digits =
            if digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase) then
                digits.Slice 2
            else
                digits

        // The low 8 bits of any number are its last two digits.
        let lowest = digits.Slice(max 0 (digits.Length - 2))

        match Byte.TryParse(lowest, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) with
        | true, value when not (digits.ContainsAnyExcept "0123456789abcdefABCDEF") ->
            ValueSome(uint64 (if negative then 0uy - value else value))
        | _ -> ValueNone

    let private tryMac (text: string) : uint64 voption =
        let folder address group =
            match address, tryMacGroup group with
            | ValueSome address, ValueSome value -> ValueSome((address <<< 8) ||| value)
            | _ -> ValueNone

        match text.Split ':' with
        | groups when groups.Length = 6 -> Array.fold folder (ValueSome 0UL) groups
        | _ -> ValueNone

    /// Splits at the first `mark`; the part behind it must be an integer.
    let private trySplit (mark: char) (text: string) : Result<struct (string * int voption), unit> =
        match text.IndexOf mark with
        | -1 -> Ok(struct (text, ValueNone))
        | at ->
            match tryInt (text.Substring(at + 1)) with
            | ValueSome value -> Ok(struct (text.Substring(0, at), ValueSome value))
            | ValueNone -> Error()

    let private parseAddress (text: string) (prefix: int voption) (weight: int) : Result<Subnet, SubnetError> =
        let orPrefixError subnet =
            match subnet with
            | ValueSome subnet -> Ok subnet
            | ValueNone -> Error BadPrefixLength

        match tryMac text with
        | ValueSome address when prefix.IsNone -> Ok(mac address weight)
        | ValueSome _ -> Error BadPrefixLength
        | ValueNone ->
            match IpText.tryParseV4 text with
            | ValueSome address -> v4 address (ValueOption.defaultValue 32 prefix) weight |> orPrefixError
            | ValueNone ->
                match IpText.tryParseV6 text with
                | ValueSome(struct (high, low)) ->
                    v6 high low (ValueOption.defaultValue 128 prefix) weight |> orPrefixError
                | ValueNone -> Error BadAddress

    /// Reads `ADDRESS[/PREFIX][#WEIGHT]` as stock tinc does (spec 04 §6.1).
    let tryParse (text: string) : Result<Subnet, SubnetError> =
        let text = text.Substring(0, min text.Length maxTextLength)

        match trySplit '#' text with
        | Error() -> Error BadWeight
        | Ok(struct (network, weight)) ->
            match trySplit '/' network with
            | Error() -> Error BadPrefixLength
            | Ok(struct (_, ValueSome prefix)) when prefix < 0 -> Error BadPrefixLength
            | Ok(struct (address, prefix)) ->
                parseAddress address prefix (ValueOption.defaultValue defaultWeight weight)

    let private addressText (subnet: Subnet) =
        match subnet.Family with
        | Family.Mac -> String.Join(':', [| for shift in 56..-8..16 -> (byte (subnet.High >>> shift)).ToString "x2" |])
        | Family.IPv4 -> IpText.printV4 (uint32 (subnet.High >>> 32))
        | _ -> IpText.printV6 subnet.High subnet.Low

    let private fullPrefix (family: Family) =
        match family with
        | Family.Mac -> 48
        | Family.IPv4 -> 32
        | _ -> 128

    /// The canonical text without the weight, as scripts get it in SUBNET.
    let netText (subnet: Subnet) : string =
        if subnet.Prefix = fullPrefix subnet.Family then
            addressText subnet
        else
            addressText subnet + "/" + subnet.Prefix.ToString()

    /// The text that tinc 1.0 shows: always with prefix length and weight, nothing left out (spec 08 §12).
    let toLongText (subnet: Subnet) : string =
        let group (high: uint64) (low: uint64) index =
            let word = if index < 4 then high >>> (48 - 16 * index) else low >>> (112 - 16 * index)
            (uint16 word).ToString "x"

        let text =
            match subnet.Family with
            | Family.Mac ->
                String.Join(':', [| for shift in 56..-8..16 -> (byte (subnet.High >>> shift)).ToString "x" |])
            | Family.IPv4 -> addressText subnet + "/" + subnet.Prefix.ToString()
            | _ ->
                String.Join(':', [| for index in 0..7 -> group subnet.High subnet.Low index |])
                + "/"
                + subnet.Prefix.ToString()

        text + "#" + subnet.Weight.ToString()

    /// The weight as scripts get it in WEIGHT: empty when it is the default (spec 04 §6.5).
    let weightText (subnet: Subnet) : string = if subnet.Weight = defaultWeight then "" else subnet.Weight.ToString()

    /// The canonical text: what is announced, dumped and written to files.
    let toText (subnet: Subnet) : string =
        match weightText subnet with
        | "" -> netText subnet
        | weight -> netText subnet + "#" + weight
