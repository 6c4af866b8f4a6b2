/// Subnets as text, their order, and lookups (spec 04 §6).
module TincPure.Core.Tests.TopologySubnetTests

open System
open System.Text.Json
open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open TincPure.Topology
open Xunit
open Xunit.Abstractions

let name (text: string) : NodeName =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> failwith ("not a name: " + text)

let subnet (text: string) : Subnet =
    match Subnet.tryParse text with
    | Ok subnet -> subnet
    | Error error -> failwith (text + ": " + string error)

/// Subnets of few networks, so that they meet each other.
let subnetGen: Gen<Subnet> =
    let weight = Gen.elements [ 10; 10; 0; 5; -3; Int32.MaxValue; Int32.MinValue ]

    let mac = Gen.map2 Subnet.mac (Gen.map uint64 (Gen.choose (0, 20))) weight

    let v4 =
        Gen.map3
            (fun bits prefix weight -> (Subnet.v4 (uint32 bits) prefix weight).Value)
            (Gen.oneof [ Gen.choose (0, 7) |> Gen.map (fun n -> n <<< 29); ArbMap.generate<int> ArbMap.defaults ])
            (Gen.choose (0, 32))
            weight

    let v6 =
        let half =
            Gen.oneof
                [ Gen.constant 0UL
                  Gen.map uint64 (Gen.choose (0, 3))
                  Gen.map (fun n -> uint64 n <<< 60) (Gen.choose (0, 15))
                  Gen.map (fun n -> 0xffff00000000UL ||| uint64 n) (Gen.choose (0, 3)) ]

        Gen.map4
            (fun high low prefix weight -> (Subnet.v6 high low prefix weight).Value)
            half
            half
            (Gen.choose (0, 128))
            weight

    Gen.oneof [ mac; v4; v6 ]

/// Cases whose result the specification leaves undefined and tells us to reject (spec 04 §6.1): integers out of range.
let private outOfRange = [ "10.0.0.0/8#1000000000000000000000000000000000000000000000000005" ]

type VectorTests(output: ITestOutputHelper) =

    [<Fact>]
    member _.``subnet texts are accepted, read and printed as the vectors say``() =
        for case in Vectors.items "cases" (Vectors.load "04-subnet-parse.json") do
            let input = Vectors.text "input" case

            match Subnet.tryParse input with
            | result when List.contains input outOfRange ->
                output.WriteLine("rejected, because the reference's overflow is undefined: " + input)
                Assert.True(result.IsError)
            | Error _ -> Assert.False(case.GetProperty("ok").GetBoolean(), input)
            | Ok subnet ->
                Assert.True(case.GetProperty("ok").GetBoolean(), input)
                Assert.Equal(Vectors.text "type" case, subnet.Family.ToString().ToLowerInvariant())
                Assert.Equal(Vectors.number "weight" case, subnet.Weight)
                Assert.Equal(Vectors.text "text" case, Subnet.toText subnet)
                Assert.Equal(case.GetProperty("config_ok").GetBoolean(), Subnet.isNetwork subnet)

                if subnet.Family <> Family.Mac then
                    Assert.Equal(Vectors.number "prefix" case, subnet.Prefix)

                let digits = Vectors.text "address" case
                Assert.Equal(
                    digits,
                    (subnet.High.ToString "x16" + subnet.Low.ToString "x16").Substring(0, digits.Length)
                )

    [<Fact>]
    member _.``subnets compare and sort as the vectors say``() =
        let vectors = Vectors.load "04-subnet-compare.json"

        let read (item: JsonElement) =
            let text = string (item[0].GetString())

            match string (item[1].GetString()) with
            | "-" -> OwnedSubnet.broadcast (subnet text)
            | owner -> OwnedSubnet.by 1 (name owner) (subnet text)

        let owned = Vectors.items "items" vectors |> List.map read |> Array.ofList

        vectors.GetProperty("compare").EnumerateArray()
        |> Seq.iteri (fun i row ->
            row.EnumerateArray()
            |> Seq.iteri (fun j expected ->
                Assert.Equal(expected.GetInt32(), sign (OwnedSubnet.compare owned[i] owned[j]))))

        let sorted = Vectors.items "sorted" vectors |> List.map read |> Array.ofList
        let table = Array.fold (fun table entry -> SubnetTable.add entry table) SubnetTable.empty owned
        Assert.Equal<OwnedSubnet array>(sorted, SubnetTable.toArray table)

/// The definition: walk all subnets in order (spec 04 §6.3).
let naiveLookup (reachable: int -> bool) (address: Subnet) (owned: OwnedSubnet list) : OwnedSubnet voption =
    let contains (net: Subnet) =
        let bits (subnet: Subnet) = (UInt128(subnet.High, subnet.Low) >>> (128 - net.Prefix))

        net.Family = address.Family && (net.Prefix = 0 || bits net = bits address)

    let matches =
        List.sortWith OwnedSubnet.compare owned |> List.filter (fun entry -> contains entry.Subnet)

    match matches |> List.tryFind (fun entry -> entry.Owner = -1 || reachable entry.Owner), List.tryLast matches with
    | Some entry, _
    | None, Some entry -> ValueSome entry
    | None, None -> ValueNone

let lookup (reachable: int -> bool) (address: Subnet) (table: SubnetTable) : OwnedSubnet voption =
    match address.Family with
    | Family.Mac -> SubnetTable.lookupMac reachable (address.High >>> 16) table
    | Family.IPv4 -> SubnetTable.lookupV4 reachable (uint32 (address.High >>> 32)) table
    | _ -> SubnetTable.lookupV6 reachable address.High address.Low table

[<Fact>]
let ``lookups find what the vectors say`` () =
    for case in Vectors.items "cases" (Vectors.load "04-subnet-lookup.json") do
        let nodes =
            case.GetProperty("reachable").EnumerateObject()
            |> Seq.map (fun node -> node.Name, node.Value.GetInt32() <> 0)
            |> Array.ofSeq

        let number owner = nodes |> Array.findIndex (fun (name, _) -> name = owner)

        let add table (entry: JsonElement) =
            let net = subnet (string (entry[0].GetString()))

            match entry[1].GetString() with
            | null -> SubnetTable.add (OwnedSubnet.broadcast net) table
            | owner -> SubnetTable.add (OwnedSubnet.by (number owner) (name owner) net) table

        let table = Vectors.items "subnets" case |> List.fold add SubnetTable.empty

        for query in Vectors.items "lookups" case do
            let found =
                match lookup (fun owner -> snd nodes[owner]) (subnet (string (query[0].GetString()))) table with
                | ValueNone -> None, None
                | ValueSome entry when entry.Owner = -1 -> Some(Subnet.toText entry.Subnet), None
                | ValueSome entry -> Some(Subnet.toText entry.Subnet), Some(fst nodes[entry.Owner])

            Assert.Equal((Option.ofObj (query[1].GetString()), Option.ofObj (query[2].GetString())), found)

[<Fact>]
let ``a subnet printed and parsed again is the same subnet`` () =
    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen subnetGen) (fun subnet -> Subnet.tryParse (Subnet.toText subnet) = Ok subnet)
    )

[<Fact>]
let ``any text is a subnet or an error`` () =
    let text =
        Gen.map
            (fun (text: char array) -> String text)
            (Gen.arrayOf (Gen.elements (List.ofSeq "0123456789abcdefx:.:/#-+ \t\000g%[]é")))

    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen text) (fun text ->
            match Subnet.tryParse text with
            | Ok subnet -> Subnet.tryParse (Subnet.toText subnet) = Ok subnet
            | Error _ -> true)
    )

[<Fact>]
let ``addresses are printed and read as .NET does it, but for the forms that glibc prints otherwise`` () =
    let property (high: uint64) (low: uint64) =
        let text = IpText.printV6 high low

        let agrees =
            Net.IPAddress.Parse(text).GetAddressBytes()
            |> Convert.ToHexString
            |> (=) (high.ToString "X16" + low.ToString "X16")

        agrees && IpText.tryParseV6 text = ValueSome(struct (high, low))

    let sparse =
        Gen.map
            (fun (groups: int list) -> groups |> List.fold (fun value group -> (value <<< 16) ||| uint64 group) 0UL)
            (Gen.listOfLength 4 (Gen.elements [ 0; 0; 0; 1; 0xffff; 0x5efe ]))

    Check.QuickThrowOnFailure(Prop.forAll (Arb.fromGen (Gen.zip sparse sparse)) (fun (high, low) -> property high low))

[<Fact>]
let ``a lookup finds what a walk over all subnets in order finds, whatever came and went before`` () =
    let owner = Gen.choose (-1, 4)

    let entry =
        Gen.map2
            (fun subnet owner ->
                if owner < 0 then
                    OwnedSubnet.broadcast subnet
                else
                    OwnedSubnet.by owner (name ("n" + string owner)) subnet)
            subnetGen
            owner

    let scenario =
        gen {
            let! entries = Gen.listOf entry
            let! removed = Gen.subListOf entries
            let! queries = Gen.listOf subnetGen
            let! reachable = Gen.arrayOfLength 5 (Gen.elements [ true; false ])
            return entries, removed, queries, reachable
        }

    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen scenario) (fun (entries, removed, queries, reachable) ->
            let full = List.fold (fun table entry -> SubnetTable.add entry table) SubnetTable.empty entries
            let table = List.fold (fun table entry -> SubnetTable.remove entry table) full removed
            let kept = entries |> List.distinct |> List.filter (fun entry -> not (List.contains entry removed))
            let isReachable owner = reachable[owner]

            let agrees contents table =
                queries @ List.map _.Subnet entries
                |> List.forall (fun address ->
                    lookup isReachable address table = naiveLookup isReachable address contents)

            agrees kept table
            && agrees entries full
            && table.Count = kept.Length
            && List.ofArray (SubnetTable.toArray table) = List.sortWith OwnedSubnet.compare kept)
    )

[<Fact>]
let ``a table from which everything was removed is empty again`` () =
    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (Gen.listOf subnetGen)) (fun subnets ->
            let entries = subnets |> List.map (OwnedSubnet.by 0 (name "a"))
            let full = List.fold (fun table entry -> SubnetTable.add entry table) SubnetTable.empty entries
            let table = List.fold (fun table entry -> SubnetTable.remove entry table) full entries

            table.Count = 0 && isNull (box table.Mac) && isNull (box table.V4) && isNull (box table.V6))
    )

[<Fact>]
let ``a broadcast subnet and an equal subnet of a node do not get in each other's way`` () =
    let net = subnet "10.255.255.255"
    let mine = OwnedSubnet.by 0 (name "a") net
    let broadcast = OwnedSubnet.broadcast net
    let both = SubnetTable.empty |> SubnetTable.add mine |> SubnetTable.add broadcast
    let find table = SubnetTable.lookupV4 (fun _ -> true) 0x0affffffu table

    Assert.Equal(ValueSome broadcast, find both)
    Assert.Equal(ValueSome broadcast, find (SubnetTable.remove mine both))
    Assert.Equal(ValueSome mine, find (SubnetTable.remove broadcast both))

[<Fact>]
let ``a lookup allocates nothing`` () =
    let table =
        [ "0.0.0.0/0"; "10.0.0.0/8"; "10.1.0.0/16"; "::/0" ]
        |> List.fold
            (fun table text -> SubnetTable.add (OwnedSubnet.by 0 (name "a") (subnet text)) table)
            SubnetTable.empty

    let reachable = [| true |]
    let mutable found = 0

    let run () =
        for i in 0..9999 do
            match SubnetTable.lookupV4 (fun owner -> reachable[owner]) (0x0a000000u + uint32 i) table with
            | ValueSome entry -> found <- found + entry.Owner + 1
            | ValueNone -> ()

            match SubnetTable.lookupV6 (fun owner -> reachable[owner]) (uint64 i) 1UL table with
            | ValueSome entry -> found <- found + entry.Owner + 1
            | ValueNone -> ()

    run ()
    let before = GC.GetAllocatedBytesForCurrentThread()
    run ()
    Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread())
    Assert.Equal(40000, found)
