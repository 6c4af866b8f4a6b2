namespace TincPure.Crypto

open System
open System.Runtime.Intrinsics
open System.Runtime.Intrinsics.X86

/// What ChaCha20 and Poly1305 calculate with. One that has no code for a width takes the next smaller one that it has code for.
type Kernel =
    /// Numbers.
    | Scalar = 0
    /// Vectors of 128 bits, on x64 and Arm64 alike.
    | Narrow = 1
    /// Of 256 bits: AVX2.
    | Middle = 2
    /// Of 512 bits: AVX-512.
    | Wide = 3

module Kernels =

    /// This processor can do that. To the JIT it is a constant.
    let inline has (kernel: Kernel) : bool =
        match kernel with
        | Kernel.Wide -> Avx512F.IsSupported && Vector512.IsHardwareAccelerated
        | Kernel.Middle -> Avx2.IsSupported
        | Kernel.Narrow -> Vector128.IsHardwareAccelerated && BitConverter.IsLittleEndian
        | _ -> true

    /// The widest that this processor can do. To the JIT it is a constant.
    let inline widest () : Kernel =
        if has Kernel.Wide then Kernel.Wide
        elif has Kernel.Middle then Kernel.Middle
        elif has Kernel.Narrow then Kernel.Narrow
        else Kernel.Scalar
