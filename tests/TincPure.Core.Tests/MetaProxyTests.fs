/// The node behind a proxy, against what stock was recorded to say and to understand (spec 02 §17).
module TincPure.Core.Tests.MetaProxyTests

open System
open System.Text
open System.Text.Json
open Xunit
open TincPure.Primitives
open TincPure.Config
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture

type private Case =
    { Title: string
      Proxy: Proxy
      Target: HostPort
      Sends: byte[]
      Answers: byte[]
      GoesOn: bool
      Closed: bool
      Log: string list }

let private proxyOf (text: string) : Proxy =
    let words = text.Split ' ' |> List.ofArray

    let kind =
        match words.Head with
        | "http" -> ProxyKind.Http
        | "socks4" -> ProxyKind.Socks4
        | "socks4a" -> ProxyKind.Socks4a
        | _ -> ProxyKind.Socks5

    let word index = List.tryItem index words |> ValueOption.ofOption
    ServerProxy(kind, { Host = "proxy"; Port = "3128" }, word 3, word 4)

let private cases =
    lazy
        [ for case in (Vectors.load "02-meta-proxy.json").GetProperty("cases").EnumerateArray() do
              let text (name: string) = case.GetProperty(name).GetString() |> Option.ofObj |> Option.defaultValue ""

              let target = (text "target").Split ' '

              { Title = text "title"
                Proxy = proxyOf (text "proxy")
                Target = { Host = target[0]; Port = target[1] }
                Sends = Convert.FromHexString(text "client_sends_hex")
                Answers = Convert.FromHexString(text "proxy_answers_hex")
                GoesOn = text "client_continues" <> ""
                Closed = case.GetProperty("closed").GetBoolean()
                Log =
                  [ for line in case.GetProperty("log").EnumerateArray() ->
                        line.GetString() |> Option.ofObj |> Option.defaultValue "" ] } ]

type private Outcome = { Sent: byte[]; Continued: bool; HasClosed: bool; Logged: string list }

/// Plays a case: the proxy is reached, and answers when everything has been said to it, in pieces of `chunk` bytes.
let private play (chunk: int) (case: Case) : Outcome =
    let settings =
        { settingsOf "alpha" [] with
            Proxy = case.Proxy
            ConnectTo = [ nodeName "fake" ]
            Hosts = Map.ofList [ nodeName "fake", { hostOf "fake" with Addresses = [ case.Target ] } ] }

    let mutable node = Node.create settings launch startOfTime

    let rec feed (input: Input) : Effect list =
        let struct (next, effects) = Node.step startOfTime input node
        node <- next

        effects
        @ (effects
           |> List.collect (fun effect ->
               match effect with
               | ReadHostFile name -> feed (HostFileRead(name, Present(settings.Hosts[name], [])))
               | ConnectToProxy(id, _) -> feed (Connected(id, ValueNone))
               | _ -> []))

    let sent effects =
        effects
        |> List.collect (fun effect ->
            match effect with
            | Send(_, bytes) -> [ bytes ]
            | _ -> [])

    let logs effects =
        effects
        |> List.choose (fun effect ->
            match effect with
            | Log line -> Some line.Text
            | _ -> None)

    let first = feed (Started([], []))

    let connection =
        first
        |> List.pick (fun effect ->
            match effect with
            | ConnectToProxy(id, _) -> Some id
            | _ -> None)

    let afterwards =
        case.Answers
        |> Array.chunkBySize chunk
        |> List.ofArray
        |> List.collect (fun bytes -> feed (Received(connection, bytes)))

    { Sent = Array.concat (sent first)
      Continued = sent afterwards |> List.exists (fun bytes -> bytes.Length = 68)
      HasClosed = List.contains (Close connection) (first @ afterwards)
      Logged = logs (first @ afterwards) }

/// What is done better than stock, by title (spec 02 §17, last paragraph).
let private better =
    Map.ofList
        [ "HTTP, IPv6 target", "the address stands in brackets, without which no proxy can tell the port"
          "HTTP, HTTP/1.0 answer", "any HTTP/1.x answer counts"
          "HTTP, extra header line", "headers are skipped"
          "SOCKS4, IPv6 target", "the attempt ends at once instead of idling until its time-out"
          "SOCKS5, domain name in the answer", "the answer is read by its own address type"
          "SOCKS5, IPv4 address in the answer to an IPv6 request: node keeps waiting", "the same"
          "SOCKS4A", "it is implemented" ]

[<Fact>]
let ``what is said to a proxy, and what its answer leads to, is what stock does`` () =
    for case in cases.Value do
        match better.TryFind case.Title with
        | Some reason -> Console.WriteLine("differs: " + case.Title + ": " + reason)
        | None ->
            for chunk in [ 1; 7; 4096 ] do
                let outcome = play chunk case
                Assert.True(case.Sends = outcome.Sent, case.Title)
                Assert.True((case.GoesOn = outcome.Continued), case.Title)
                Assert.True((case.Closed = outcome.HasClosed), case.Title)

                for line in case.Log do
                    match line.Split(": ", 2) with
                    | [| _; text |] -> Assert.True(List.contains text outcome.Logged, case.Title + ": " + text)
                    | _ -> ()

let private outcomeOf (title: string) : Outcome = cases.Value |> List.find (fun case -> case.Title = title) |> play 3

[<Fact>]
let ``answers that confuse stock are understood`` () =
    for title in [ "HTTP, IPv6 target"; "HTTP, HTTP/1.0 answer"; "HTTP, extra header line" ] do
        Assert.True((outcomeOf title).Continued, title)

    Assert.Equal(
        "CONNECT [2001:db8::1]:655 HTTP/1.1\r\n\r\n0 alpha 17.7\n",
        Encoding.Latin1.GetString (outcomeOf "HTTP, IPv6 target").Sent
    )

    let shorter = outcomeOf "SOCKS5, IPv4 address in the answer to an IPv6 request: node keeps waiting"

    Assert.Contains("Proxy request granted", shorter.Logged)
    Assert.True((outcomeOf "SOCKS4, IPv6 target").HasClosed)

    Assert.Equal(
        "0401028f0000000100"
        + Convert.ToHexStringLower(Encoding.Latin1.GetBytes "192.0.2.1\0000 alpha 17.7\n"),
        Convert.ToHexStringLower (outcomeOf "SOCKS4A").Sent
    )
