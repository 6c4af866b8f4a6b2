/// What is said to routers, held against what stock says (spec 07 §21).
module TincPure.Core.Tests.UpnpTests

open System
open TincPure.PortMapping
open Xunit

let private recorded =
    lazy
        [ for entry in Vectors.items "answered" (Vectors.load "07-upnp-messages.json") do
              Vectors.text "kind" entry, Vectors.text "text" entry ]

let private gateway: Upnp.Gateway =
    { ServiceType = "urn:schemas-upnp-org:service:WANIPConnection:1"
      ControlUrl = "http://192.168.77.254:5000/ctl/IPConn" }

let private posts (action: string) =
    recorded.Value
    |> List.choose (fun (kind, text) ->
        let quoted = Upnp.soapAction gateway action

        if kind = "POST" && text.Contains("SOAPAction: " + quoted) then
            Some(text.Substring(text.IndexOf "<?xml"))
        else
            None)

[<Fact>]
let ``the first search is stock's`` () =
    let text = recorded.Value |> List.find (fun (kind, _) -> kind = "SSDP") |> snd
    Assert.Equal(text, Upnp.search "urn:schemas-upnp-org:device:InternetGatewayDevice:1" 2)

[<Fact>]
let ``requests are stock's, byte for byte`` () =
    Assert.All(posts "GetStatusInfo", (fun body -> Assert.Equal(body, Upnp.statusRequest gateway)))
    Assert.NotEmpty(posts "GetStatusInfo")

    let mapping port protocol : Upnp.Mapping =
        { Protocol = protocol
          Port = port
          Client = "192.168.77.1"
          Description = "tinc.netx"
          LeaseSeconds = 12 }

    let expected =
        [ Upnp.addRequest gateway (mapping 34473 Upnp.Tcp)
          Upnp.addRequest gateway (mapping 33113 Upnp.Udp) ]

    Assert.Equal<string list>(expected @ expected, posts "AddPortMapping")

[<Theory>]
[<InlineData("HTTP/1.1 200 OK\r\nlocation: http://192.0.2.9:5000/d.xml\r\n\r\n", "http://192.0.2.9:5000/d.xml")>]
[<InlineData("HTTP/1.1 200 OK\r\nST: x\r\nLOCATION:http://192.0.2.9/\r\n", "http://192.0.2.9/")>]
[<InlineData("HTTP/1.1 200 OK\r\nLOCATION: http://198.51.100.1/d.xml\r\n", "")>]
[<InlineData("HTTP/1.1 200 OK\r\nLOCATION: file:///etc/passwd\r\n", "")>]
[<InlineData("HTTP/1.1 404 Not found\r\nLOCATION: http://192.0.2.9/\r\n", "")>]
[<InlineData("NOTIFY * HTTP/1.1\r\nLOCATION: http://192.0.2.9/\r\n", "")>]
[<InlineData("", "")>]
let ``only the router that answers is asked for its description`` (answer: string, url: string) =
    let found =
        match Upnp.location answer "192.0.2.9" with
        | ValueSome found -> found.AbsoluteUri
        | ValueNone -> ""

    Assert.Equal(url, found)

[<Fact>]
let ``the service is found among others, and its URL made whole`` () =
    let service kind control =
        "<service><serviceType>" + kind + "</serviceType><controlURL>" + control + "</controlURL></service>"

    let describe inner = "<root><device><serviceList>" + inner + "</serviceList></device></root>"
    let url = Uri "http://192.0.2.9:5000/dir/d.xml"
    let other = service "urn:schemas-upnp-org:service:Layer3Forwarding:1" "/l3"
    let wanted = service gateway.ServiceType

    let control text =
        match Upnp.gateway url (describe text) with
        | ValueSome found -> found.ControlUrl
        | ValueNone -> ""

    Assert.Equal("http://192.0.2.9:5000/ctl", control (other + wanted "/ctl"))
    Assert.Equal("http://192.0.2.9:5000/dir/ctl", control (wanted "ctl"))
    Assert.Equal("", control other)
    Assert.Equal("", control (wanted "http://198.51.100.1/ctl"))
    Assert.Equal("", control "<service><serviceType>")

[<Fact>]
let ``a router's refusal is told with its code`` () =
    let fault = "<s:Fault><errorCode>718</errorCode><errorDescription>Conflict</errorDescription></s:Fault>"
    Assert.Equal(ValueNone, Upnp.failure 200 "")
    Assert.Equal(ValueSome(struct (718, "Conflict")), Upnp.failure 500 fault)
    Assert.Equal(ValueSome(struct (404, "HTTP error")), Upnp.failure 404 "nothing")
