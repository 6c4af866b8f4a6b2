/// The core opens no socket, reads no clock, touches no file, starts no thread and asks nobody for randomness: looked up in
/// the metadata of the compiled assembly, where every type and member that it uses is named.
module TincPure.Core.Tests.PurityTests

open System
open System.IO
open System.Reflection.Metadata
open System.Reflection.PortableExecutable
open TincPure.Primitives
open Xunit

/// A member of a type outside the assembly, or a type without a member.
type private Use = { Type: string; Member: string }

/// Assemblies that the core may refer to. Those that could do I/O only count if nothing forbidden below is used of them.
let private allowedAssemblies =
    set
        [ "FSharp.Core"
          "System.Runtime"
          "System.Runtime.Intrinsics"
          "System.Runtime.InteropServices"
          "System.Numerics.Vectors"
          "System.Runtime.Numerics"
          "System.Memory"
          "System.Collections"
          "System.Collections.Immutable"
          "System.Linq"
          // Hashes and constant-time comparison.
          "System.Security.Cryptography"
          // IPAddress, as a value.
          "System.Net.Primitives"
          "System.Text.RegularExpressions" ]

/// Whole namespaces and types, by prefix.
let private forbiddenTypes =
    [ "System.IO."
      "System.Net.Sockets."
      "System.Net.Dns"
      "System.Net.Http"
      "System.Net.NetworkInformation."
      "System.Threading."
      "System.Diagnostics.Process"
      "System.Diagnostics.Stopwatch"
      "System.Console"
      "System.Environment"
      "System.AppContext"
      "System.Random"
      "System.Timers."
      "System.TimeProvider"
      "System.TimeZoneInfo"
      "System.Reflection."
      "System.Activator"
      "System.Security.Cryptography.RandomNumberGenerator"
      "Microsoft.FSharp.Control."
      "Microsoft.FSharp.Core.PrintfModule"
      "Microsoft.Win32." ]

/// What is harmless although it matches the above: values that are computed when first needed, and attributes.
let private isHarmless (typeName: string) : bool =
    typeName = "Microsoft.FSharp.Control.LazyExtensions"
    || (typeName.StartsWith("System.Reflection.", StringComparison.Ordinal)
        && typeName.EndsWith("Attribute", StringComparison.Ordinal))

let private forbiddenMembers =
    set
        [ "System.DateTime", "get_Now"
          "System.DateTime", "get_UtcNow"
          "System.DateTime", "get_Today"
          "System.DateTimeOffset", "get_Now"
          "System.DateTimeOffset", "get_UtcNow"
          "System.Guid", "NewGuid"
          "System.Guid", "CreateVersion7"
          "System.GC", "Collect"
          // Formatting to a text is what records and unions do to show themselves; printing is not.
          "Microsoft.FSharp.Core.ExtraTopLevelOperators", "PrintFormat"
          "Microsoft.FSharp.Core.ExtraTopLevelOperators", "PrintFormatLine"
          "Microsoft.FSharp.Core.ExtraTopLevelOperators", "PrintFormatToError"
          "Microsoft.FSharp.Core.ExtraTopLevelOperators", "ConsoleIn" ]

let private isForbidden (used: Use) : bool =
    let isOfForbiddenType =
        forbiddenTypes |> List.exists (fun prefix -> used.Type.StartsWith(prefix, StringComparison.Ordinal))

    // The compiler names modules of its own library that it merely looked into.
    let isOnlyNamed =
        used.Member = "" && used.Type.StartsWith("Microsoft.FSharp.", StringComparison.Ordinal)

    (isOfForbiddenType && not (isHarmless used.Type) && not isOnlyNamed)
    || forbiddenMembers.Contains((used.Type, used.Member))

/// The name of the type that declares a member, if it is outside the assembly.
let private declaringType (reader: MetadataReader) (parent: EntityHandle) : string voption =
    let nameOf (handle: EntityHandle) =
        if handle.Kind = HandleKind.TypeReference then
            let reference = reader.GetTypeReference(TypeReferenceHandle.op_Explicit handle)
            ValueSome(reader.GetString reference.Namespace + "." + reader.GetString reference.Name)
        else
            ValueNone

    if parent.Kind = HandleKind.TypeSpecification then
        // A generic type, filled in: its name is that of the open type, behind the two bytes that say so.
        let blob =
            reader.GetBlobReader((reader.GetTypeSpecification(TypeSpecificationHandle.op_Explicit parent)).Signature)

        let mutable blob = blob

        if blob.Length > 2 && blob.ReadSignatureTypeCode() = SignatureTypeCode.GenericTypeInstance then
            blob.ReadByte() |> ignore
            nameOf (blob.ReadTypeHandle())
        else
            ValueNone
    else
        nameOf parent

/// Every type and member of other assemblies that an assembly names.
let private usesOf (path: string) : struct (string list * Use list) =
    use stream = File.OpenRead path
    use file = new PEReader(stream)
    let reader = file.GetMetadataReader()

    let assemblies =
        [ for handle in reader.AssemblyReferences do
              reader.GetString (reader.GetAssemblyReference handle).Name ]

    let types =
        [ for handle in reader.TypeReferences do
              let reference = reader.GetTypeReference handle

              { Type = reader.GetString reference.Namespace + "." + reader.GetString reference.Name
                Member = "" } ]

    let members =
        [ for handle in reader.MemberReferences do
              let reference = reader.GetMemberReference handle

              match declaringType reader reference.Parent with
              | ValueSome name -> { Type = name; Member = reader.GetString reference.Name }
              | ValueNone -> () ]

    struct (assemblies, types @ members)

let private pathOf (sample: Type) = sample.Assembly.Location

let private shown (uses: Use list) =
    uses |> List.map (fun used -> used.Type + "::" + used.Member) |> List.distinct |> String.concat "\n"

[<Fact>]
let ``the core refers only to assemblies of pure code`` () =
    let struct (assemblies, _) = usesOf (pathOf typeof<Instant>)
    Assert.NotEmpty assemblies
    Assert.Empty(Set.ofList assemblies - allowedAssemblies)

[<Fact>]
let ``the core uses no clock, file, socket, thread, entropy, console or environment`` () =
    let struct (_, uses) = usesOf (pathOf typeof<Instant>)
    Assert.True(uses.Length > 100)
    let found = List.filter isForbidden uses
    Assert.True(found.IsEmpty, shown found)

/// What this very assembly uses, so that the test above can be seen to find it.
module private Sins =

    let all () =
        [ box DateTime.UtcNow
          box DateTimeOffset.Now
          box (Guid.NewGuid())
          box (Diagnostics.Stopwatch.GetTimestamp())
          box (Environment.GetEnvironmentVariable "HOME")
          box (File.Exists "/etc/passwd")
          box (Random.Shared.Next())
          box (Security.Cryptography.RandomNumberGenerator.GetBytes 4)
          box Threading.Thread.CurrentThread
          box (Net.Dns.GetHostName())
          box (Diagnostics.Process.GetCurrentProcess().Id)
          box Console.Out
          box (async { return 1 })
          box (Net.Sockets.Socket.OSSupportsIPv6) ]

[<Theory>]
[<InlineData("System.DateTime", "get_UtcNow")>]
[<InlineData("System.DateTimeOffset", "get_Now")>]
[<InlineData("System.Guid", "NewGuid")>]
[<InlineData("System.Diagnostics.Stopwatch", "GetTimestamp")>]
[<InlineData("System.Environment", "GetEnvironmentVariable")>]
[<InlineData("System.IO.File", "Exists")>]
[<InlineData("System.Random", "get_Shared")>]
[<InlineData("System.Security.Cryptography.RandomNumberGenerator", "GetBytes")>]
[<InlineData("System.Threading.Thread", "get_CurrentThread")>]
[<InlineData("System.Net.Dns", "GetHostName")>]
[<InlineData("System.Diagnostics.Process", "GetCurrentProcess")>]
[<InlineData("System.Console", "get_Out")>]
[<InlineData("System.Net.Sockets.Socket", "get_OSSupportsIPv6")>]
[<InlineData("Microsoft.FSharp.Control.FSharpAsyncBuilder", "Delay")>]
let ``what the core must not use is found where it is used`` (typeName: string, memberName: string) =
    Assert.NotEmpty(Sins.all ())
    let struct (assemblies, uses) = usesOf (pathOf typeof<Use>)
    Assert.Contains({ Type = typeName; Member = memberName }, uses)
    Assert.True(isForbidden { Type = typeName; Member = memberName })
    Assert.NotEmpty(Set.ofList assemblies - allowedAssemblies)
