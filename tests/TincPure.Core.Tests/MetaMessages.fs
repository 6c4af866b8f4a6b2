/// Random messages of the meta protocol.
module TincPure.Core.Tests.MetaMessages

open System
open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open TincPure.Topology
open TincPure.Meta

let uint32s: Gen<uint32> = ArbMap.defaults |> ArbMap.generate<uint32>

let uint64s: Gen<uint64> = ArbMap.defaults |> ArbMap.generate<uint64>

let ints: Gen<int> =
    Gen.oneof
        [ Gen.elements [ 0; 1; -1; Int32.MaxValue; Int32.MinValue ]
          Gen.choose (Int32.MinValue, Int32.MaxValue) ]

let private nameChars = [ yield! [ 'a' .. 'z' ]; yield! [ 'A' .. 'Z' ]; yield! [ '0' .. '9' ]; '_' ]

let private ofChars (chars: char list) (longest: int) : Gen<string> =
    gen {
        let! length = Gen.frequency [ 20, Gen.choose (1, 20); 1, Gen.constant longest ]
        let! text = Gen.arrayOfLength length (Gen.elements chars)
        return String text
    }

/// Of 20 characters at most, once in a while of 600.
let names: Gen<NodeName> =
    ofChars nameChars 600
    |> Gen.map (fun text ->
        match NodeName.tryParse text with
        | ValueSome name -> name
        | ValueNone -> failwith text)

let private twoNames: Gen<struct (NodeName * NodeName)> =
    gen {
        let! first = names
        let! second = names |> Gen.filter (fun second -> not (first.Equals second))
        return struct (first, second)
    }

/// Words of Latin-1 characters other than white space.
let words: Gen<string> = ofChars [ for code in [ 33..126 ] @ [ 128..255 ] -> char code ] 600

let ips: Gen<Ip> = Gen.oneof [ Gen.map Ip.v4 uint32s; Gen.map2 Ip.v6 uint64s uint64s ]

let addresses: Gen<Address> =
    Gen.frequency
        [ 1, Gen.constant Unspecified
          5, Gen.map2 (fun ip port -> Inet(Endpoint.create ip (uint16 port))) ips (Gen.choose (0, 65535))
          1, Gen.map2 (fun host port -> Textual("host-" + host, port)) words words ]

let subnets: Gen<Subnet> =
    let weights = Gen.frequency [ 1, Gen.constant Subnet.defaultWeight; 1, ints ]

    Gen.oneof
        [ Gen.map2 Subnet.mac uint64s weights
          gen {
              let! address = uint32s
              let! prefix = Gen.choose (0, 32)
              let! weight = weights
              return (Subnet.v4 address prefix weight).Value
          }
          gen {
              let! high = uint64s
              let! low = uint64s
              let! prefix = Gen.choose (0, 128)
              let! weight = weights
              return (Subnet.v6 high low prefix weight).Value
          } ]

let private optional (items: Gen<'a>) : Gen<'a voption> = Gen.oneof [ Gen.constant ValueNone; Gen.map ValueSome items ]

let private keyRequests: Gen<KeyRequest> =
    Gen.oneof
        [ Gen.constant KeyRequest.Legacy
          Gen.map KeyRequest.StartSptps words
          Gen.constant (KeyRequest.StartSptps "")
          Gen.constant KeyRequest.ReqPubkey
          Gen.map KeyRequest.AnsPubkey words
          Gen.map KeyRequest.SptpsPacket words
          Gen.map2 (fun sub data -> KeyRequest.Unknown(sub, data)) (Gen.choose (22, 99)) words
          Gen.map (fun sub -> KeyRequest.Unknown(sub, "")) (Gen.choose (-9, -1)) ]

/// Requests of an active connection.
let active: Gen<Message> =
    let edges =
        gen {
            let! nonce = uint32s
            let! struct (from, target) = twoNames
            let! address = addresses
            let! options = uint32s
            let! weight = ints
            let! local = optional addresses

            return
                Message.AddEdge
                    { Nonce = nonce
                      From = from
                      To = target
                      Address = address
                      Options = options
                      Weight = weight
                      Local = local }
        }

    let answers =
        gen {
            let! from = names
            let! target = names
            let! key = words
            let! cipher = ints
            let! digest = ints
            let! macLength = ints
            let! compression = ints
            let! reflexive = optional addresses

            return
                Message.AnsKey
                    { From = from
                      To = target
                      Key = key
                      Cipher = cipher
                      Digest = digest
                      MacLength = macLength
                      Compression = compression
                      Reflexive = reflexive }
        }

    Gen.oneof
        [ Gen.elements [ Message.TermReq; Message.Ping; Message.Pong ]
          Gen.map3 (fun nonce owner subnet -> Message.AddSubnet(nonce, owner, subnet)) uint32s names subnets
          Gen.map3 (fun nonce owner subnet -> Message.DelSubnet(nonce, owner, subnet)) uint32s names subnets
          edges
          Gen.map2 (fun nonce (struct (from, target)) -> Message.DelEdge(nonce, from, target)) uint32s twoNames
          Gen.map2 (fun nonce name -> Message.KeyChanged(nonce, name)) uint32s words
          Gen.map3 (fun from target request -> Message.ReqKey(from, target, request)) names names keyRequests
          answers
          Gen.map Message.Packet (Gen.choose (0, 32767))
          Gen.map Message.SptpsPacket (Gen.choose (0, 32767))
          Gen.map3 (fun from target address -> Message.UdpInfo(from, target, address)) names names addresses
          Gen.map3
              (fun from target mtu -> Message.MtuInfo(from, target, mtu))
              names
              names
              (Gen.choose (Protocol.minMtu, Int32.MaxValue)) ]

/// A message and the state in which it may come.
let permitted: Gen<struct (Permitted * Message)> =
    let only permitted messages = Gen.map (fun message -> struct (permitted, message)) messages

    let keys =
        gen {
            let! cipher = ints
            let! digest = ints
            let! macLength = ints
            let! compression = ints
            let! key = words

            return
                Message.MetaKey
                    { Cipher = cipher
                      Digest = digest
                      MacLength = macLength
                      Compression = compression
                      Key = key }
        }

    Gen.frequency
        [ 10, only Permitted.All active
          1,
          only
              Permitted.Id
              (Gen.map3
                  (fun name major minor -> Message.Id(name, major, minor))
                  words
                  (Gen.choose (0, 99))
                  (optional (Gen.choose (0, 999))))
          1, only Permitted.MetaKey keys
          1, only Permitted.Challenge (Gen.map Message.Challenge words)
          1, only Permitted.ChalReply (Gen.map Message.ChalReply words)
          1,
          only
              Permitted.Ack
              (Gen.map3 (fun port weight options -> Message.Ack(port, weight, options)) words ints uint32s)
          1, only Permitted.AckUpgrade (Gen.map Message.AckUpgrade words)
          1, only Permitted.AckControl (Gen.map2 (fun version pid -> Message.AckControl(version, pid)) ints ints)
          1, only Permitted.AckInvitation (Gen.map Message.AckInvitation words)
          1, only Permitted.TermReq (Gen.constant Message.TermReq)
          1,
          only
              Permitted.Control
              (Gen.map2
                  (fun sub arguments -> Message.Control(sub, arguments))
                  ints
                  (Gen.map (String.concat " ") (Gen.listOf words))) ]

let allPermitted: Permitted list =
    [ Permitted.Id
      Permitted.MetaKey
      Permitted.Challenge
      Permitted.ChalReply
      Permitted.Ack
      Permitted.AckUpgrade
      Permitted.AckControl
      Permitted.AckInvitation
      Permitted.TermReq
      Permitted.Control
      Permitted.All ]

/// Lines that are almost right: a message's line with some characters replaced, removed or doubled.
let damagedLines: Gen<string> =
    gen {
        let! struct (_, message) = permitted
        let! edits = Gen.choose (0, 4)
        let mutable line = Print.line message

        for _ in 1..edits do
            let! at = Gen.choose (0, line.Length)
            let! character = Gen.elements [ ' '; '0'; '-'; 'x'; '.'; ':'; '/'; '#'; '\r'; '\n'; '\000'; '\255' ]
            let! kind = Gen.choose (0, 2)

            line <-
                match kind with
                | 0 -> line.Insert(at, string character)
                | 1 when at < line.Length -> line.Remove(at, 1)
                | _ -> line.Substring(0, at) + string character

        return line
    }
