/// Datagrams of an established session, changed, repeated and reordered on their way.
module TincPure.Fuzz.SptpsDatagrams

open System
open System.Collections.Generic
open TincPure.Primitives
open TincPure.Sptps

let private keys = [| for number in 10..12 -> Fixed.bytes number 64 |]

let private payload (number: int) = Fixed.bytes (100 + number) (number % 40)

/// 256 datagrams with the first key, then 64 with the second.
let private genuine =
    let sender = Session(keys[0], keys[0], 16)

    [| for number in 0..319 do
           if number = 256 then
               sender.UseSendKey keys[1]

           let data = payload number
           let datagram = Array.zeroCreate<byte>(data.Length + Record.DatagramOverhead)
           sender.Seal(byte (number % 5), ReadOnlySpan data, Span datagram) |> ignore
           datagram |]

let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input
    let window = tape.Below 33
    let session = Session(keys[0], keys[0], window)
    let opened = HashSet<int>()
    let mutable now = Instant.add Instant.second Instant.never
    let mutable moves = 0

    /// Opens something; `number` says which genuine datagram it is, if it is one.
    let receive (number: int voption) (bytes: byte[]) =
        let before = Array.copy bytes
        let checks = session.TryCheck(ReadOnlySpan bytes)
        let mutable kind = 0uy
        let mutable length = 0
        let result = session.Open(Span bytes, &kind, &length)
        behaviour.Saw("open", 1 <<< int result)
        behaviour.SawText session.LastMessage
        Target.check (checks = (result = OpenResult.Opened)) "a check says something else than an opening"

        if result <> OpenResult.Opened then
            Target.check (result <> OpenResult.BadTag || bytes = before) "a datagram with a bad tag is changed"
            Target.check (result = OpenResult.TooShort || result = OpenResult.BadTag || number.IsSome) "a forged tag"
        else
            match number with
            | ValueNone -> Target.broken "a changed datagram opens"
            | ValueSome number ->
                Target.check (kind = byte (number % 5)) "another record type"
                Target.check
                    (ReadOnlySpan(bytes, Record.DataOffset, length).SequenceEqual(ReadOnlySpan(payload number)))
                    "other data"
                Target.check (opened.Add number || window = 0) "a datagram opens twice"

    while not tape.AtEnd && moves < 512 do
        moves <- moves + 1
        let choice = tape.Byte()
        let number = (tape.Word()) % genuine.Length
        let datagram = Array.copy genuine[number]

        match choice % 8uy with
        | 0uy
        | 1uy
        | 2uy -> receive (ValueSome number) datagram
        | 3uy ->
            let at = tape.Below datagram.Length
            let change = tape.Byte()
            datagram[at] <- datagram[at] ^^^ change
            receive (if change = 0uy then ValueSome number else ValueNone) datagram
        | 4uy ->
            let length = tape.Below(datagram.Length + 1)
            receive (if length = datagram.Length then ValueSome number else ValueNone) (Array.truncate length datagram)
        | 5uy -> receive ValueNone (Array.append datagram (Array.append [| 0uy |] (tape.Block())))
        | 6uy -> receive ValueNone (tape.Block())
        | _ ->
            match tape.Below 4 with
            | 0 -> session.OfferReceiveKey keys[1 + number % 2]
            | 1 -> session.ActivateReceiveKey now
            | 2 ->
                now <- Instant.add (int64 number * Instant.second) now
                session.ExpirePreviousKey now
            | _ -> session.UseSendKey keys[number % 3]

let private seeds () =
    let order numbers =
        [| for number: int in numbers do
               yield! [| 0uy; byte (number >>> 8); byte number |] |]

    [ Array.append [| 16uy |] (order [ 0..40 ])
      Array.append [| 16uy |] (order [ 0; 0; 3; 2; 1; 1; 200; 0; 200; 201; 203; 202; 204; 205; 5 ])
      Array.append [| 1uy |] (order [ 0; 20; 100; 255; 254; 253; 252 ])
      Array.concat
          [ [| 16uy |]
            order [ 1..5 ]
            [| 7uy; 0uy; 0uy; 0uy; 7uy; 0uy; 0uy; 1uy |]
            order [ 256; 255; 257 ] ]
      [| 16uy
         3uy
         0uy
         0uy
         9uy
         1uy
         4uy
         0uy
         0uy
         20uy
         5uy
         0uy
         0uy
         1uy
         1uy
         6uy
         0uy
         0uy
         3uy
         1uy
         2uy
         3uy |] ]

let target =
    Target.create "sptps-datagrams" "a changed datagram never opens, a genuine one opens once" seeds run
