/// The stream that `tinc pcap` prints (spec 06 §8.1), in the byte order of this machine.
module TincPure.Commands.Pcap

open System

/// Longest frame that there can be, which is also the snap length if none is given.
let longest = 9018

let private ethernet = 1

let private word (value: int) = BitConverter.GetBytes value

let private half (value: int16) = BitConverter.GetBytes value

/// 24 bytes.
let fileHeader (snapLength: int) : byte[] =
    Array.concat
        [ BitConverter.GetBytes 0xa1b2c3d4u
          half 2s
          half 4s
          word 0
          word 0
          word (if snapLength = 0 then longest else snapLength)
          word ethernet ]

/// 16 bytes before a packet of `length` bytes that came so many microseconds after the epoch.
let packetHeader (microseconds: int64) (length: int) : byte[] =
    Array.concat
        [ word (int (microseconds / 1_000_000L))
          word (int (microseconds % 1_000_000L))
          word length
          word length ]
