/// The group of Ed25519: points of -x^2 + y^2 = 1 + d x^2 y^2, in extended coordinates (RFC 8032 §5.1.4).
module TincPure.Crypto.Edwards25519

open System
open TincPure.Crypto

/// x = X/Z, y = Y/Z, xy = T/Z.
[<Struct>]
type Point =
    { X: Field25519.Element
      Y: Field25519.Element
      Z: Field25519.Element
      T: Field25519.Element }

/// A point in the form in which it is added.
[<Struct>]
type private Addend =
    { Sum: Field25519.Element
      Difference: Field25519.Element
      TwiceZ: Field25519.Element
      TwiceDT: Field25519.Element }

let private element l0 l1 l2 l3 l4 : Field25519.Element = { L0 = l0; L1 = l1; L2 = l2; L3 = l3; L4 = l4 }

/// d = -121665/121666.
let private d =
    element 0x34dca135978a3UL 0x1a8283b156ebdUL 0x5e7a26001c029UL 0x739c663a03cbbUL 0x52036cee2b6ffUL

let private twiceD = Field25519.add d d

/// 2^((p - 1) / 4), a square root of -1.
let private rootOfMinusOne =
    element 0x61b274a0ea0b0UL 0xd5a5fc8f189dUL 0x7ef5e9cbd0c60UL 0x78595a6804c9eUL 0x2b8324804fc1dUL

let identity =
    { X = Field25519.zero
      Y = Field25519.one
      Z = Field25519.one
      T = Field25519.zero }

/// The generator B: y = 4/5, x even.
let generator =
    let x =
        element 0x62d608f25d51aUL 0x412a4b4f6592aUL 0x75b7171a4b31dUL 0x1ff60527118feUL 0x216936d3cd6e5UL

    let y =
        element 0x6666666666658UL 0x4ccccccccccccUL 0x1999999999999UL 0x3333333333333UL 0x6666666666666UL

    { X = x; Y = y; Z = Field25519.one; T = Field25519.mul x y }

let private prepare (p: Point) : Addend =
    { Sum = Field25519.add p.Y p.X
      Difference = Field25519.sub p.Y p.X
      TwiceZ = Field25519.add p.Z p.Z
      TwiceDT = Field25519.mul p.T twiceD }

let private addPrepared (p: Point) (q: Addend) : Point =
    let a = Field25519.mul (Field25519.sub p.Y p.X) q.Difference
    let b = Field25519.mul (Field25519.add p.Y p.X) q.Sum
    let c = Field25519.mul p.T q.TwiceDT
    let d = Field25519.mul p.Z q.TwiceZ
    let e = Field25519.sub b a
    let f = Field25519.sub d c
    let g = Field25519.add d c
    let h = Field25519.add b a

    { X = Field25519.mul e f
      Y = Field25519.mul g h
      Z = Field25519.mul f g
      T = Field25519.mul e h }

let add (p: Point) (q: Point) : Point = addPrepared p (prepare q)

let double (p: Point) : Point =
    let a = Field25519.square p.X
    let b = Field25519.square p.Y
    let zz = Field25519.square p.Z
    let h = Field25519.add a b
    let e = Field25519.sub h (Field25519.square (Field25519.add p.X p.Y))
    let g = Field25519.sub a b
    let f = Field25519.add (Field25519.add zz zz) g

    { X = Field25519.mul e f
      Y = Field25519.mul g h
      Z = Field25519.mul f g
      T = Field25519.mul e h }

let private sixteenfold (p: Point) = double (double (double (double p)))

let negate (p: Point) : Point = { p with X = Field25519.negate p.X; T = Field25519.negate p.T }

/// 32 bytes: y, little endian, with the lowest bit of x on top.
let toBytes (p: Point) (target: Span<byte>) : unit =
    let reciprocal = Field25519.invert p.Z
    let x = Array.zeroCreate<byte> 32
    Field25519.toBytes (Field25519.mul p.X reciprocal) (Span x)
    Field25519.toBytes (Field25519.mul p.Y reciprocal) target
    target[31] <- target[31] ||| (x[0] <<< 7)

let private canonical (a: Field25519.Element) =
    let bytes = Array.zeroCreate<byte> 32
    Field25519.toBytes a (Span bytes)
    bytes

/// The point that 32 bytes stand for, if they stand for one. y from p up and a set sign for x = 0 are let pass, as the
/// reference does (spec 01 §3.3). Not in constant time: for public points.
let ofBytes (bytes: ReadOnlySpan<byte>) : Point voption =
    let y = Field25519.ofBytes bytes
    let yy = Field25519.square y
    // x^2 = u / v; x = u v^3 (u v^7)^((p-5)/8), up to a root of -1.
    let u = Field25519.sub yy Field25519.one
    let v = Field25519.add (Field25519.mul yy d) Field25519.one
    let v3 = Field25519.mul (Field25519.square v) v
    let uv7 = Field25519.mul (Field25519.mul (Field25519.square v3) v) u

    let x = Field25519.mul (Field25519.mul u v3) (Field25519.powerForRoot uv7)

    let vxx = canonical (Field25519.mul v (Field25519.square x))

    let root =
        if vxx = canonical u then
            ValueSome x
        elif vxx = canonical (Field25519.negate u) then
            ValueSome(Field25519.mul x rootOfMinusOne)
        else
            ValueNone

    match root with
    | ValueNone -> ValueNone
    | ValueSome x ->
        let odd = (canonical x)[0] &&& 1uy
        let x = if odd = (bytes[31] >>> 7) then x else Field25519.negate x

        ValueSome { X = x; Y = y; Z = Field25519.one; T = Field25519.mul x y }

/// A scalar below 2^255 as 64 digits from -8 to 8, sixteen to the power of their index.
let private digits (scalar: ReadOnlySpan<byte>) : sbyte[] =
    let result = Array.zeroCreate<sbyte> 64

    for i in 0..31 do
        result[2 * i] <- sbyte (scalar[i] &&& 15uy)
        result[2 * i + 1] <- sbyte (scalar[i] >>> 4)

    let mutable carry = 0

    for i in 0..62 do
        let digit = int result[i] + carry
        carry <- (digit + 8) >>> 4
        result[i] <- sbyte (digit - (carry <<< 4))

    result[63] <- result[63] + sbyte carry
    result

let private addIdentity = prepare identity

let private selectAddend (choice: uint64) (a: Addend) (b: Addend) : Addend =
    { Sum = Field25519.select choice a.Sum b.Sum
      Difference = Field25519.select choice a.Difference b.Difference
      TwiceZ = Field25519.select choice a.TwiceZ b.TwiceZ
      TwiceDT = Field25519.select choice a.TwiceDT b.TwiceDT }

let private negateAddend (a: Addend) : Addend =
    { a with
        Sum = a.Difference
        Difference = a.Sum
        TwiceDT = Field25519.negate a.TwiceDT }

/// 1 if both are equal, 0 if not; both are small and not negative.
let inline private sameBit (a: int) (b: int) : uint64 = uint64 (uint32 ((a ^^^ b) - 1) >>> 31)

/// `digit` times the point whose multiples 1 to 8 begin at `offset`. Reads them all, whatever the digit is.
let private lookUp (multiples: Addend[]) (offset: int) (digit: sbyte) : Addend =
    let negative = uint64 (uint32 (int digit) >>> 31)
    let magnitude = int digit - ((-int negative &&& int digit) <<< 1)
    let mutable found = addIdentity

    for i in 1..8 do
        found <- selectAddend (sameBit i magnitude) found multiples[offset + i - 1]

    selectAddend negative found (negateAddend found)

/// 1p to 8p.
let private multiplesOf (p: Point) : Addend[] =
    let addend = prepare p

    Array.unfold
        (fun (point, count) ->
            if count = 8 then
                None
            else
                Some(prepare point, (addPrepared point addend, count + 1)))
        (p, 0)

/// For each even power of 16, its multiples of the generator by 1 to 8.
let private generatorMultiples: Lazy<Addend[]> =
    lazy
        (let bases =
            Array.unfold
                (fun (p, count) -> if count = 32 then None else Some(p, (sixteenfold (sixteenfold p), count + 1)))
                (generator, 0)

         Array.collect multiplesOf bases)

/// scalar * B for a scalar below 2^255 (32 bytes, little endian), in constant time.
let multiplyGenerator (scalar: ReadOnlySpan<byte>) : Point =
    let multiples = generatorMultiples.Value
    let digits = digits scalar
    let mutable sum = identity

    for i in 1..2..63 do
        sum <- addPrepared sum (lookUp multiples (4 * (i - 1)) digits[i])

    sum <- sixteenfold sum

    for i in 0..2..62 do
        sum <- addPrepared sum (lookUp multiples (4 * i) digits[i])

    Array.Clear digits
    sum

/// scalar * p for a scalar below 2^255. Not in constant time: for public scalars and points.
let multiplyPublic (scalar: ReadOnlySpan<byte>) (p: Point) : Point =
    let multiples = multiplesOf p
    let digits = digits scalar
    let mutable sum = identity

    for i in 63..-1..0 do
        if i < 63 then
            sum <- sixteenfold sum

        let digit = int digits[i]

        if digit > 0 then
            sum <- addPrepared sum multiples[digit - 1]
        elif digit < 0 then
            sum <- addPrepared sum (negateAddend multiples[-digit - 1])

    sum
