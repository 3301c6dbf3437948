// Gradients of the filters of 3x3 convolutions of stride 1 by Winograd's minimal filtering, see
// winograd_kernels.h. Tiles are taken in sets of a size that follows from the layer's shape alone; each set
// is transformed, and for each point multiplied into the sums so far. Layers with few filters fall into
// chunks of tiles, each summed by one thread from sets that stay in its cache, and the chunks are added in
// order; in others all threads work on one set. Either way the result does not depend on the number of
// threads.
#pragma once

#include "backend/cpu/winograd.h"

namespace secateur::cpu {

struct WinogradPlace;

class WinogradWeightGradient {
 public:
  // Whether this is the faster way, by counts of operations.
  [[nodiscard]] static bool takes(const WinogradProblem& problem);

  explicit WinogradWeightGradient(const WinogradProblem& problem,
                                  const WinogradKernels& kernels = winograd_kernels());
  [[nodiscard]] std::int64_t workspace_bytes() const;
  // result [filters, 3, 3, channels], dense.
  void run(const Tensor& input, const Tensor& output_gradient, const Tensor& result, void* workspace) const;

 private:
  struct Operands {
    const Tensor& input;
    const Tensor& output_gradient;
    const float* zeros;  // stand for rows outside the map
  };
  // A tile of both maps at the points.
  void transform(const Operands& operands, const WinogradPlace& place, float* in, float* out) const;
  // `rows` filters from `row` on, at one point: sums = (add ? sums : 0) + products of `count` tiles.
  void multiply(const float* in, const float* out, std::int64_t count, std::int64_t row, std::int64_t rows,
                bool add, float* sums) const;
  void sum_chunks(const Operands& operands, float* points, float* sums) const;
  void sum_sets(const Operands& operands, float* points, float* sums) const;

  WinogradProblem problem_;
  const WinogradKernels& kernels_;
  int threads_;
  std::int64_t channel_columns_, filter_columns_;  // in whole panels
  std::int64_t sums_point_;                        // floats from one point's sums to the next
  std::int64_t chunks_;
  std::int64_t set_;                   // tiles
  std::int64_t in_point_, out_point_;  // floats from one point's matrix to the next
};

// stored [filters, 3, 3, channels] = Gt points G, of points [36][filters, leading].
void winograd_filters_from_points(const float* points, std::int64_t leading, std::int64_t filters,
                                  std::int64_t channels, float* stored);

}  // namespace secateur::cpu
