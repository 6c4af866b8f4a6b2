/// Changes inputs at random.
module TincPure.Fuzz.Mutation

open System
open System.Buffers.Binary
open System.Text
open TincPure.Simulation

/// Where comparisons and conversions change their minds.
let private interesting =
    [| 0
       1
       2
       7
       8
       15
       16
       31
       32
       63
       64
       100
       127
       128
       255
       256
       511
       512
       1000
       1500
       1518
       2048
       2175
       2176
       4096
       32767
       32768
       65535
       65536
       0x7fffffff
       -1
       -2
       -128
       -32768
       Int32.MinValue |]

let private numbers =
    [| "0"
       "1"
       "-1"
       "2"
       "10"
       "15"
       "17"
       "21"
       "128"
       "255"
       "256"
       "511"
       "512"
       "1518"
       "2176"
       "32767"
       "32768"
       "40000"
       "65535"
       "65536"
       "2147483647"
       "2147483648"
       "-2147483648"
       "4294967295"
       "4294967296"
       "9223372036854775807"
       "9223372036854775808"
       "18446744073709551616"
       "7fffffff"
       "ffffffff"
       "700000c" |]

let private replace (start: int) (length: int) (piece: byte[]) (input: byte[]) =
    Array.concat [ Array.sub input 0 start; piece; Array.sub input (start + length) (input.Length - start - length) ]

/// A piece of the input: its start and length. Short ones are likelier.
let private somewhere (dice: Dice) (input: byte[]) =
    let start = dice.Below(input.Length + 1)
    let longest = input.Length - start
    struct (start, dice.Below((if dice.Below 4 = 0 then longest else min longest 16) + 1))

/// Starts and lengths of the lines, LF included.
let private lines (input: byte[]) =
    let found = ResizeArray()
    let mutable start = 0

    for i in 0 .. input.Length - 1 do
        if input[i] = '\n'B || i = input.Length - 1 then
            found.Add(struct (start, i + 1 - start))
            start <- i + 1

    found

let private aLine (dice: Dice) (input: byte[]) =
    match lines input with
    | found when found.Count = 0 -> struct (0, 0)
    | found -> found[dice.Below found.Count]

let private changeByte (dice: Dice) (change: byte -> byte) (input: byte[]) =
    if input.Length = 0 then
        [| byte (dice.Next()) |]
    else
        let changed = Array.copy input
        let at = dice.Below changed.Length
        changed[at] <- change changed[at]
        changed

let private writeNumber (dice: Dice) (input: byte[]) =
    let value = interesting[dice.Below interesting.Length]
    let bytes = Array.zeroCreate<byte> 4

    if dice.Below 2 = 0 then
        BinaryPrimitives.WriteInt32BigEndian(Span bytes, value)
    else
        BinaryPrimitives.WriteInt32LittleEndian(Span bytes, value)

    let piece = Array.truncate (1 <<< dice.Below 3) (if dice.Below 2 = 0 then bytes else Array.rev bytes)
    let struct (start, _) = somewhere dice input
    replace start (min piece.Length (input.Length - start)) piece input

/// Puts a word in, or in the place of the word that is there.
let private writeWord (dice: Dice) (word: byte[]) (input: byte[]) =
    let struct (start, _) = somewhere dice input
    let isEnd b = b = ' 'B || b = '\n'B || b = '='B

    if input.Length = 0 || dice.Below 2 = 0 then
        replace start 0 word input
    else
        let wordStart = Array.FindLastIndex(input, max 0 (start - 1), isEnd) + 1

        let stop =
            match Array.FindIndex(input, wordStart, isEnd) with
            | -1 -> input.Length
            | at -> at

        replace wordStart (stop - wordStart) word input

let private once (dice: Dice) (words: byte[][]) (other: byte[]) (input: byte[]) : byte[] =
    match dice.Below 16 with
    | 0 -> changeByte dice (fun b -> b ^^^ (1uy <<< dice.Below 8)) input
    | 1 -> changeByte dice (fun _ -> byte (dice.Next())) input
    | 2 -> changeByte dice (fun b -> b + byte (dice.Below 70 - 35)) input
    | 3 -> writeNumber dice input
    | 4 ->
        let struct (start, length) = somewhere dice input
        replace start length [||] input
    | 5 ->
        let struct (start, length) = somewhere dice input
        replace start 0 (Array.sub input start length) input
    | 6 ->
        let struct (start, length) = somewhere dice input
        let struct (target, _) = somewhere dice input
        replace target 0 (Array.sub input start length) input
    | 7 ->
        let struct (start, _) = somewhere dice input
        replace start 0 (dice.Bytes(1 + dice.Below 16)) input
    | 8 ->
        let struct (start, _) = somewhere dice input
        replace start 0 (Array.create (1 + dice.Below 300) (byte (dice.Next()))) input
    | 9 ->
        // Splice: a beginning of this one and an end of another.
        let struct (start, _) = somewhere dice input
        let struct (otherStart, _) = somewhere dice other
        Array.append (Array.sub input 0 start) (Array.skip otherStart other)
    | 10 ->
        let struct (start, length) = somewhere dice other
        let struct (target, replaced) = somewhere dice input
        replace target replaced (Array.sub other start length) input
    | 11 ->
        let struct (start, length) = aLine dice input
        replace start length [||] input
    | 12 ->
        let struct (start, length) = aLine dice other
        let struct (target, _) = aLine dice input
        replace target 0 (Array.sub other start length) input
    | 13 ->
        let struct (start, length) = aLine dice input
        let struct (target, _) = aLine dice input
        replace target 0 (Array.sub input start length) input
    | 14 -> writeWord dice (Encoding.Latin1.GetBytes numbers[dice.Below numbers.Length]) input
    | _ when words.Length = 0 -> changeByte dice (fun b -> b ^^^ 0x20uy) input
    | _ -> writeWord dice words[dice.Below words.Length] input

/// A changed input of at most `maxSize` bytes. `other` is a second one to take pieces from.
let mutate (dice: Dice) (words: byte[][]) (maxSize: int) (other: byte[]) (input: byte[]) : byte[] =
    let rounds = 1 <<< dice.Below 5
    let mutable changed = input

    for _ in 1..rounds do
        changed <- Array.truncate maxSize (once dice words other changed)

    changed
