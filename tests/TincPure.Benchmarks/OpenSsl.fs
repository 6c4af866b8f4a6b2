/// OpenSSL's ChaCha20-Poly1305 (RFC 8439), to measure ours beside. It is not quite the same: its nonce has 96 bits, its tag also
/// covers lengths, one block of Poly1305 more. Each packet has a nonce of its own, as packets do; `openssl speed` keeps one,
/// which spares it a block of ChaCha20 per packet.
module TincPure.Benchmarks.OpenSsl

#nowarn "9" // native calls

open System
open System.Runtime.InteropServices
open Microsoft.FSharp.NativeInterop

[<DllImport("libcrypto.so.3")>]
extern nativeint private EVP_CIPHER_CTX_new()

[<DllImport("libcrypto.so.3")>]
extern nativeint private EVP_chacha20_poly1305()

[<DllImport("libcrypto.so.3")>]
extern int private EVP_EncryptInit_ex(nativeint context, nativeint cipher, nativeint engine, byte* key, byte* nonce)

[<DllImport("libcrypto.so.3")>]
extern int private EVP_EncryptUpdate(nativeint context, byte* target, int* written, byte* source, int length)

[<DllImport("libcrypto.so.3")>]
extern int private EVP_EncryptFinal_ex(nativeint context, byte* target, int* written)

[<DllImport("libcrypto.so.3")>]
extern int private EVP_CIPHER_CTX_ctrl(nativeint context, int kind, int size, byte* value)

[<Literal>]
let private GetTag = 0x10

/// Seals `data` again and again, in place of nothing else: each call has a new nonce and gives a tag. None where there is no
/// OpenSSL 3.
let sealing (key: byte[]) (size: int) : (unit -> unit) option =
    let mutable library = 0n

    if not (NativeLibrary.TryLoad("libcrypto.so.3", &library)) then
        None
    else
        let context = EVP_CIPHER_CTX_new()
        // A pinned array each: nothing is marshalled.
        let pinned (count: int) = GC.AllocateArray<byte>(count, pinned = true)
        let address (bytes: byte[]) : nativeptr<byte> =
            NativePtr.ofNativeInt (Marshal.UnsafeAddrOfPinnedArrayElement(bytes, 0))
        let keyBytes = pinned 32
        Array.blit key 0 keyBytes 0 32
        let buffers = [ for count in [ size; size; 16; 12; 4 ] -> pinned count ]
        let source, target, tag = address buffers[0], address buffers[1], address buffers[2]
        let nonce = buffers[3]
        let nonceAddress = address nonce
        let written: nativeptr<int> = NativePtr.ofNativeInt (NativePtr.toNativeInt (address buffers[4]))
        let none: nativeptr<byte> = NativePtr.ofNativeInt 0n
        EVP_EncryptInit_ex(context, EVP_chacha20_poly1305(), 0n, address keyBytes, nonceAddress) |> ignore
        let mutable number = 0UL

        Some(fun () ->
            number <- number + 1UL
            BitConverter.TryWriteBytes(nonce.AsSpan 4, number) |> ignore
            EVP_EncryptInit_ex(context, 0n, 0n, none, nonceAddress) |> ignore
            EVP_EncryptUpdate(context, target, written, source, size) |> ignore
            EVP_EncryptFinal_ex(context, target, written) |> ignore

            if EVP_CIPHER_CTX_ctrl(context, GetTag, 16, tag) <> 1 then
                failwith "OpenSSL gives no tag")
