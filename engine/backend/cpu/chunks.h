// Shares of the rows of a tensor, one a thread. The shares depend on the number of threads alone.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "secateur/core/tensor.h"

namespace secateur::cpu {

// Runs work(chunk, first, last) for every thread's share of `rows`.
template <class Work>
void for_chunks(std::int64_t rows, const Work& work) {
  const int chunks = omp_get_max_threads();
#pragma omp parallel for num_threads(chunks) schedule(static, 1)
  for (int chunk = 0; chunk < chunks; ++chunk) {
    work(chunk, rows * chunk / chunks, rows * (chunk + 1) / chunks);
  }
}

// Zeroes the padding lanes of one row.
inline void clear_padding(float* row, const Tensor& tensor) {
  std::fill(row + tensor.channels(), row + tensor.leading, 0.0F);
}

}  // namespace secateur::cpu
