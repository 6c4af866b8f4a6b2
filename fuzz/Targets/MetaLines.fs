/// Request lines as any peer may send them.
module TincPure.Fuzz.MetaLines

open System
open TincPure.Meta

let private stages =
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

/// Words that request lines are made of.
let words =
    [ "0"
      "1"
      "2"
      "3"
      "4"
      "8"
      "9"
      "10"
      "11"
      "12"
      "13"
      "14"
      "15"
      "16"
      "17"
      "18"
      "19"
      "20"
      "21"
      "22"
      "23"
      "alpha"
      "beta"
      "gamma"
      "fake"
      "ghost"
      "third"
      "^0123"
      "?key"
      "17.7"
      "17.0"
      "17.2"
      "unspec"
      "655"
      "192.0.2.1"
      "2001:db8::1"
      "::ffff:192.0.2.1"
      "10.0.0.0/8"
      "10.0.0.0/8#5"
      "2001:db8::/32"
      "2:0:5e:1:2:3"
      "700000c"
      "ffffffff"
      " "
      "\t"
      "\v"
      "-1"
      "+1"
      "0x1f"
      "AAAA" ]

let seeds () : byte[] list =
    Corpus.bytes "02-meta-lines-active.json" [ "line"; "reply"; "forwarded" ]
    @ Corpus.bytes "02-meta-lines-preauth.json" [ "send_text"; "reply_lines" ]

let private run (behaviour: Behaviour) (input: byte[]) =
    let line = Line.ofBytes (ReadOnlySpan input)
    Target.check (line.Length <= input.Length) "a line is longer than its bytes"
    Target.check (not (line.Contains '\n')) "a line holds a line end"

    for permitted in stages do
        behaviour.Anew()

        match Parse.line permitted line with
        | Error error ->
            for log in ParseError.log "peer (host)" error do
                behaviour.SawText log.Text
        | Ok message ->
            behaviour.Saw(Request.name (Message.request message))
            let printed = Print.line message
            behaviour.Saw("length", printed.Length)
            Target.check (not (printed.Contains '\n')) "a printed message holds a line end"

            match Parse.line permitted printed with
            | Ok again when again = message -> ()
            | Ok _ -> Target.broken ("read as another message when printed: " + printed)
            | Error _ -> Target.broken ("cannot be read when printed: " + printed)

let target =
    { Target.create "meta-lines" "a line is a message or an error; a message printed is the same message" seeds run with
        Words = words }
