// Weight gradients of convolutions with few weights, where oneDNN 3.2 reaches two thirds of what its forward
// pass does on AVX2, and far less for channel counts that are no multiples of 8.
//
//   dw[k, r, s, c] = sum over n, y, x of dy[n, y, x, k] * input[n, y * stride + r - pad, x * stride + s -
//   pad, c]
//
// The taps (s, c) of a filter row lie side by side in a row of the input, so that for each r this is a matrix
// product over the positions, of dy with rows of the input that overlap. Images fall into chunks by size
// alone, each summed by one thread into its own matrix, and the chunks are added in order: the result does
// not depend on the number of threads.
#pragma once

#include <array>
#include <cstdint>

#include "secateur/core/tensor.h"

namespace secateur::cpu {

struct WeightGradientProblem {
  std::int64_t images = 0;
  std::array<std::int64_t, 2> input{}, output{}, kernel{}, stride{}, padding{};  // rows, columns
  std::int64_t channels = 0;
  std::int64_t filters = 0;
};

class WeightGradient {
 public:
  // Whether this is the faster way: the partial sums of a chunk stay in the second-level cache.
  [[nodiscard]] static bool takes(const WeightGradientProblem& problem);
  explicit WeightGradient(const WeightGradientProblem& problem);
  [[nodiscard]] std::int64_t workspace_bytes() const;
  // input [N, H, W, C] and output_gradient [N, P, Q, K] with any leading dimensions; result [K, R, S, C],
  // dense.
  void run(const Tensor& input, const Tensor& output_gradient, const Tensor& result, void* workspace) const;

 private:
  // Where the images of a chunk begin; the last one ends at `images`.
  [[nodiscard]] std::int64_t first_image(std::int64_t chunk) const {
    return problem_.images * chunk / chunks_;
  }
  void sum_chunk(std::int64_t chunk, const Tensor& input, const Tensor& output_gradient, float* sums,
                 float* image) const;
  void add_chunks(const float* sums, float* result) const;

  WeightGradientProblem problem_;
  std::int64_t row_length_;    // of an input row with its padding columns
  std::int64_t taps_;          // kernel columns x channels
  std::int64_t leading_;       // of the partial sums: taps in whole vectors
  std::int64_t sums_;          // floats of a chunk's partial sums
  std::int64_t image_floats_;  // of a padded image
  std::int64_t chunks_;
  int threads_;  // each has an image in the workspace
};

}  // namespace secateur::cpu
