// Emulation of CUDA's warp matrix functions for fragments of 16 x 16 x 16: each lane holds 8 elements of each
// fragment, element e = slot * 32 + lane in row-major order. On a GPU the order is unspecified; kernels may
// not rely on either.
#pragma once

#include "simt/cuda.h"

namespace nvcuda::wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major, mem_col_major };

template <typename Use, int M, int N, int K, typename T, typename Layout = void>
struct fragment {
  static_assert(M == 16 && N == 16 && K == 16, "only 16 x 16 x 16 is emulated");
  static constexpr int num_elements = 8;
  T x[num_elements];
};

template <typename Fragment>
void fill_fragment(Fragment& fragment, float value) {
  for (auto& element : fragment.x) element = value;
}

template <typename Use, typename T, typename Layout, int N>
void load_matrix_sync(fragment<Use, 16, 16, 16, T, Layout>& fragment, secateur::simt::Shared<T, N>& tile,
                      int index, int ld, std::source_location where = std::source_location::current()) {
  namespace simt = secateur::simt;
  if (index % 16 != 0 || ld % 8 != 0)
    simt::fail("fragment load that is not aligned as tensor cores need", where);
  for (int slot = 0; slot < 8; ++slot) {
    const int element = slot * 32 + static_cast<int>(simt::lane_index());
    const int row = element / 16;
    const int column = element % 16;
    const int offset = std::is_same_v<Layout, row_major> ? row * ld + column : column * ld + row;
    fragment.x[slot] = tile.at(index + offset, where);
  }
  simt::warp_exchange("load_matrix", 0xFFFFFFFFU, 0, where);
}

// All 256 elements of a fragment of 16-bit values, gathered from the lanes.
template <typename Fragment>
void gather_fragment(const Fragment& fragment, float (&elements)[256], std::source_location where) {
  namespace simt = secateur::simt;
  for (int half = 0; half < 2; ++half) {
    std::uint64_t mine = 0;
    std::memcpy(&mine, fragment.x + 4 * half, sizeof(mine));
    const std::uint64_t* all = simt::warp_exchange("mma", 0xFFFFFFFFU, mine, where);
    for (int lane = 0; lane < 32; ++lane) {
      simt::Half values[4];
      std::memcpy(values, &all[lane], sizeof(values));
      for (int i = 0; i < 4; ++i) {
        elements[(4 * half + i) * 32 + lane] = simt::half_bits_to_float(values[i].bits);
      }
    }
  }
}

template <typename FragmentSum, typename FragmentA, typename FragmentB>
void mma_sync(FragmentSum& out, const FragmentA& a, const FragmentB& b, const FragmentSum& in,
              std::source_location where = std::source_location::current()) {
  float left[256];
  float right[256];
  gather_fragment(a, left, where);
  gather_fragment(b, right, where);
  for (int slot = 0; slot < 8; ++slot) {
    const int element = slot * 32 + static_cast<int>(secateur::simt::lane_index());
    float sum = in.x[slot];
    for (int k = 0; k < 16; ++k) sum += left[element / 16 * 16 + k] * right[k * 16 + element % 16];
    out.x[slot] = sum;
  }
}

template <typename FragmentSum>
void store_matrix_sync(float* target, const FragmentSum& fragment, unsigned ld, layout_t layout,
                       std::source_location where = std::source_location::current()) {
  namespace simt = secateur::simt;
  if (layout != mem_row_major) simt::fail("only row-major stores are emulated", where);
  simt::check_aligned(target, 32, where);
  for (int slot = 0; slot < 8; ++slot) {
    const unsigned element = static_cast<unsigned>(slot) * 32 + simt::lane_index();
    target[element / 16 * ld + element % 16] = fragment.x[slot];
  }
  simt::warp_exchange("store_matrix", 0xFFFFFFFFU, 0, where);
}

}  // namespace nvcuda::wmma
