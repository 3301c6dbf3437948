// Types shared by the contracts of all kernels. Needs nothing of the CUDA toolkit.
//
// Words used in every contract:
//   map      activations [rows, channels], rows = images * positions (NHWC), a row every `ld` elements,
//            ld >= channels. Lanes channels .. ld-1 of a row are neither read nor written unless the contract
//            says so.
//   stream   where the work is queued; calls return before it is done. Null is the default stream.
//   alias    pointers of one call must not overlap unless the contract allows it.
// All pointers are to device memory, aligned to their element; 16-byte alignment (and an `ld` that keeps it)
// is not required, but takes the faster path. Results do not depend on the order in which blocks or threads
// run.
#pragma once

#include <cstdint>

struct CUstream_st;  // cudaStream_t is a pointer to it

namespace secateur::kernels {

using StreamHandle = CUstream_st*;

enum class DType : std::uint8_t { f32, f16, bf16 };

[[nodiscard]] constexpr std::int64_t size_of(DType type) { return type == DType::f32 ? 4 : 2; }

[[nodiscard]] constexpr const char* name_of(DType type) {
  switch (type) {
    case DType::f32:
      return "f32";
    case DType::f16:
      return "f16";
    case DType::bf16:
      return "bf16";
  }
  return "unknown";
}

}  // namespace secateur::kernels
