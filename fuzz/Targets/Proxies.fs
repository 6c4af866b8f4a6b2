/// What a proxy answers, in portions of any size.
module TincPure.Fuzz.Proxies

open System
open TincPure.Config
open TincPure.Meta

let private beginnings =
    let target = Neighbourhood.endpoint 0xc0000201u
    let ask kind user = ProxyDialogue.request kind user user target

    [| for request in
           [ ask ProxyKind.Http ValueNone
             ask ProxyKind.Socks4 ValueNone
             ask ProxyKind.Socks5 ValueNone
             ask ProxyKind.Socks5 (ValueSome "user") ] do
           match request with
           | Ok struct (_, expected) -> expected
           | Error line -> Target.broken line.Text |]

type private Outcome =
    | Granted of rest: byte[]
    | Refused of string
    | Waiting

let private listen (start: ProxyDialogue.Expected) (portions: byte[] list) : Outcome =
    let rec read expected (bytes: byte[]) rest =
        match ProxyDialogue.receive expected (ReadOnlySpan bytes) with
        | ProxyDialogue.Continue(consumed, next) ->
            Target.check (consumed > 0 && consumed <= bytes.Length) "takes too much or nothing"
            read next (Array.skip consumed bytes) rest
        | ProxyDialogue.Granted consumed ->
            Target.check (consumed > 0 && consumed <= bytes.Length) "takes too much or nothing"
            Granted(Array.concat (Array.skip consumed bytes :: rest))
        | ProxyDialogue.Refused line -> Refused line.Text
        | ProxyDialogue.Incomplete ->
            match rest with
            | [] -> Waiting
            | portion :: rest -> read expected (Array.append bytes portion) rest

    read start [||] portions

let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input
    let start = beginnings[tape.Below beginnings.Length]
    let sizes = tape.Block()
    let stream = tape.Rest()
    let whole = listen start [ stream ]

    match whole with
    | Granted rest -> behaviour.Saw("granted", rest.Length)
    | Refused text -> behaviour.SawText text
    | Waiting -> behaviour.Saw "waiting"

    Target.check (listen start (MetaFraming.portions sizes stream) = whole) "another end in other portions"

let private seeds () =
    let answers = Corpus.hex "02-meta-proxy.json" [ "proxy_answers_hex"; "proxy_sends_hex" ]

    [ for kind in 0uy .. 3uy do
          for answer in answers do
              Array.append [| kind; 1uy; 5uy |] answer

          Array.append [| kind; 1uy; 100uy |] (Array.create 2100 'a'B) ]

let target =
    { Target.create "proxies" "a proxy's answer is understood alike however it is cut" seeds run with
        Words = [ "HTTP/1.1 200 OK\r\n"; "HTTP/1.0 "; "\r\n"; "\n"; "\005\000"; "\005\002"; "\001\000"; "\000\090" ]
        MaxSize = 8192 }
