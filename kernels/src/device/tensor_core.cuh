// Tensor cores through warp matrix fragments of 16 x 16 x 16, fp16 in, fp32 out. In the executor an emulation
// with the same interface takes their place, so that everything around the instruction itself is executed
// there too.
#pragma once

#include "numeric.cuh"

#ifdef SECATEUR_SIMT
#include "simt/wmma.h"
#else
#include <mma.h>
#endif

namespace secateur::kernels {

namespace wmma = nvcuda::wmma;

constexpr int kFragment = 16;

// a[i, k] lies at index k * ld + i, b[k, j] at k * ld + j.
using FragmentA = wmma::fragment<wmma::matrix_a, kFragment, kFragment, kFragment, Half, wmma::col_major>;
using FragmentB = wmma::fragment<wmma::matrix_b, kFragment, kFragment, kFragment, Half, wmma::row_major>;
using FragmentSum = wmma::fragment<wmma::accumulator, kFragment, kFragment, kFragment, float>;

// From shared memory; `index` a multiple of 16 elements, `ld` of 8.
template <typename Fragment, int N>
__device__ __forceinline__ void load_fragment(Fragment& fragment, Shared<Half, N>& tile, int index, int ld) {
#ifdef SECATEUR_SIMT
  wmma::load_matrix_sync(fragment, tile, index, ld);
#else
  wmma::load_matrix_sync(fragment, &tile[index], static_cast<unsigned>(ld));
#endif
}

}  // namespace secateur::kernels
