namespace TincPure.Fuzz

open System
open System.Buffers.Binary
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Sptps

/// Keys and randomness that are the same in every run.
module Fixed =

    /// So many bytes that depend on nothing but the number.
    let bytes (number: int) (count: int) : byte[] =
        let struct (bytes, _) = Drbg.next count (Drbg.create (Array.init 32 (fun i -> byte (number + i))))
        bytes

    let keyPair (number: int) : Ed25519.KeyPair = Ed25519.generate (ReadOnlySpan(bytes number Ed25519.SeedSize))

    let name (text: string) : NodeName =
        match NodeName.tryParse text with
        | ValueSome name -> name
        | ValueNone -> Target.broken ("no name: " + text)

/// The other end of an SPTPS stream: one that knows its keys, does the handshakes right if it likes to, and can seal
/// anything. Reads our bytes in whole records only.
type Party =
    { Handshake: Handshake.State
      SendKey: byte[] voption
      ReceiveKey: byte[] voption
      Offered: byte[] voption
      Sent: uint64
      Received: uint64 }

module Party =

    /// A record with any type and any contents, as this party would send it next.
    let seal (recordType: byte) (data: byte[]) (party: Party) : struct (byte[] * Party) =
        let plain = Array.append [| recordType |] data

        let body =
            match party.SendKey with
            | ValueNone -> plain
            | ValueSome key ->
                let target = Array.zeroCreate<byte>(plain.Length + ChaChaPoly.TagSize)
                ChaChaPoly.seal (ReadOnlySpan key) party.Sent (ReadOnlySpan plain) (Span target)
                target

        let length = Array.zeroCreate<byte> 2
        BinaryPrimitives.WriteUInt16BigEndian(Span length, uint16 data.Length)
        struct (Array.append length body, { party with Sent = party.Sent + 1UL })

    /// Does what its handshake says; the bytes to send come out in order.
    let rec private carryOut (outputs: Handshake.Output list) (sent: byte[] list) (party: Party) =
        match outputs with
        | [] -> struct (Array.concat (List.rev sent), party)
        | Handshake.Send body :: rest ->
            let struct (record, party) = seal Record.Handshake body party
            carryOut rest (record :: sent) party
        | Handshake.UseSendKey key :: rest -> carryOut rest sent { party with SendKey = ValueSome key }
        | Handshake.OfferReceiveKey key :: rest -> carryOut rest sent { party with Offered = ValueSome key }
        | Handshake.ActivateReceiveKey :: rest -> carryOut rest sent { party with ReceiveKey = party.Offered }
        | (Handshake.Complete | Handshake.Refused _) :: rest -> carryOut rest sent party

    let start (random: byte[]) (parameters: Handshake.Parameters) : struct (byte[] * Party) =
        let struct (handshake, outputs) = Handshake.start random parameters

        { Handshake = handshake
          SendKey = ValueNone
          ReceiveKey = ValueNone
          Offered = ValueNone
          Sent = 0UL
          Received = 0UL }
        |> carryOut outputs []

    /// Asks for new keys, if a handshake is not under way.
    let rekey (random: byte[]) (party: Party) : struct (byte[] * Party) =
        match Handshake.forceRekey random party.Handshake with
        | Ok struct (handshake, outputs) -> carryOut outputs [] { party with Handshake = handshake }
        | Error _ -> struct ([||], party)

    let private openRecord (party: Party) (body: byte[]) : byte[] voption =
        match party.ReceiveKey with
        | ValueNone -> ValueSome body
        | ValueSome key ->
            let plain = Array.zeroCreate<byte>(body.Length - ChaChaPoly.TagSize)

            if ChaChaPoly.tryOpen (ReadOnlySpan key) party.Received (ReadOnlySpan body) (Span plain) then
                ValueSome plain
            else
                ValueNone

    /// Reads the records that stand in `bytes`: what there is to answer to those of the handshake, and the data of the
    /// others. Stops at what it cannot open.
    let rec receive (random: byte[]) (bytes: byte[]) (party: Party) : struct (byte[] * byte[] list * Party) =
        let tag = if party.ReceiveKey.IsSome then ChaChaPoly.TagSize else 0

        let size =
            if bytes.Length < 2 then
                0
            else
                3 + tag + ((int bytes[0] <<< 8) ||| int bytes[1])

        if size = 0 || bytes.Length < size then
            struct ([||], [], party)
        else
            match openRecord party (Array.sub bytes 2 (size - 2)) with
            | ValueNone -> struct ([||], [], party)
            | ValueSome plain ->
                let received = { party with Received = party.Received + 1UL }

                let struct (answer, data, party) =
                    if plain[0] = Record.Handshake then
                        let struct (handshake, outputs) = Handshake.receive random (Array.tail plain) party.Handshake
                        let struct (answer, party) = carryOut outputs [] { received with Handshake = handshake }
                        struct (answer, [], party)
                    else
                        struct ([||], [ Array.tail plain ], received)

                let struct (moreAnswers, moreData, party) = receive random (Array.skip size bytes) party
                struct (Array.append answer moreAnswers, data @ moreData, party)
