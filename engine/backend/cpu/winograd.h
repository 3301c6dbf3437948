// 3x3 convolutions of stride 1 by Winograd's minimal filtering F(4x4, 3x3), see winograd_kernels.h: a quarter
// of the multiplications, so several times as fast as a direct convolution where there are enough channels
// and tiles. The rounding error is about twice that of a direct sum (2e-6 of the result at 512 channels).
//
// Whether a layer is computed this way follows from its shape alone. Every output is summed in one order: the
// result does not depend on the number of threads. A value that is not finite spoils its whole tile, where a
// direct convolution spoils the outputs that read it.
#pragma once

#include <array>
#include <cstdint>

#include "backend/cpu/winograd_kernels.h"
#include "secateur/core/tensor.h"

namespace secateur::cpu {

// Cross-correlation of [images, input, channels] with 3x3 filters to [images, output, filters], stride 1.
// Lanes are what a pixel's channels take in memory, multiples of 8.
struct WinogradProblem {
  std::int64_t images = 0;
  std::array<std::int64_t, 2> input{}, output{}, padding{};  // rows, columns
  std::int64_t channels = 0, filters = 0;
  std::int64_t channel_lanes = 0, filter_lanes = 0;

  // The convolution that makes the input's gradient of the output's.
  [[nodiscard]] WinogradProblem of_input_gradient() const;
  [[nodiscard]] std::int64_t tile_rows() const { return (output[0] + kWinogradTile - 1) / kWinogradTile; }
  [[nodiscard]] std::int64_t tile_columns() const { return (output[1] + kWinogradTile - 1) / kWinogradTile; }
  [[nodiscard]] std::int64_t tiles() const { return images * tile_rows() * tile_columns(); }
};

// Stored filters [filters, 3, 3, channels] and what a convolution makes of them.
enum class WinogradUse {
  forward,        // the layer's own: depth is its channels, a column is a filter
  input_gradient  // turned by 180 degrees: depth is its filters, a column is a channel
};

// Filters at the 36 points, [36][panels, depth, 16]: what a convolution reads. Columns past the last one are
// zeros.
class WinogradFilters {
 public:
  WinogradFilters(std::int64_t filters, std::int64_t channels, WinogradUse use);
  [[nodiscard]] std::int64_t bytes() const;
  // G g Gt of every filter; `points` is aligned to 64 bytes.
  void transform(const float* stored, float* points) const;

 private:
  void transform_own(const float* stored, float* points) const;
  void transform_turned(const float* stored, float* points) const;
  [[nodiscard]] std::int64_t panels() const { return (columns_ + kWinogradPanel - 1) / kWinogradPanel; }

  WinogradUse use_;
  std::int64_t filters_, channels_;
  std::int64_t depth_, columns_;
};

class WinogradConvolution {
 public:
  // Whether this is the faster way, by counts of operations.
  [[nodiscard]] static bool takes(const WinogradProblem& problem);

  explicit WinogradConvolution(const WinogradProblem& problem,
                               const WinogradKernels& kernels = winograd_kernels());
  [[nodiscard]] std::int64_t workspace_bytes() const;
  // `filters` as WinogradFilters lays them out; `residual` (may be empty) is added before the ReLU, `bias`
  // (may be null) has a value for each of the output's lanes.
  void run(const Tensor& input, const Tensor& output, const float* filters, const float* bias,
           const Tensor& residual, bool relu, void* workspace) const;

 private:
  WinogradProblem problem_;
  const WinogradKernels& kernels_;
  int threads_;
  std::int64_t block_;     // tiles that are transformed and multiplied together
  std::int64_t columns_;   // of a product: the filters in whole panels
  std::int64_t in_point_;  // floats from one point's matrix to the next
  std::int64_t out_point_;
  std::int64_t thread_floats_;
};

}  // namespace secateur::cpu
