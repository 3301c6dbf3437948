// Sums over the rows of maps, a channel each: mean and squared deviation of a batch, and the two sums of
// batch norm's backward pass. T: what the maps are stored in, float or Bf16. Partial sums are kept in float
// over a block that stays in the cache and in double from there on.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cpu/rows.h"

namespace secateur::cpu {

// Chunks of long rows, cut by size alone; each is summed by one thread and has its own partial sums.
struct RowChunks {
  static constexpr std::int64_t kMost = 64;

  std::int64_t count = 0;
  std::int64_t rows = 0;  // long rows of every chunk but the last

  explicit RowChunks(const RowLoop& loop);
  [[nodiscard]] std::int64_t begin(std::int64_t chunk) const { return chunk * rows; }
  [[nodiscard]] std::int64_t end(std::int64_t chunk, const RowLoop& loop) const {
    return std::min(loop.rows, (chunk + 1) * rows);
  }
};

// Doubles of scratch that either function needs.
[[nodiscard]] constexpr std::int64_t moments_scratch(std::int64_t period) {
  return RowChunks::kMost * 2 * period;
}

// mean[c] and squares[c] = sum of (x - mean)^2 over all rows, for loop.period channels. Safe for a mean far
// from zero: each block is summed about its own mean, and blocks are joined as in Chan, Golub and LeVeque
// (1983).
template <class T>
void batch_moments(const RowLoop& loop, const Tensor& x, double* scratch, double* mean, double* squares);

// A channel's normalisation: x_hat = ((x - mean) - rest) * inverse, where mean + rest is the mean in about
// twice the precision of float, and y = x_hat * scale + shift. Repeated over the lanes of a long row.
struct LaneTable {
  float* mean = nullptr;
  float* rest = nullptr;
  float* inverse = nullptr;
  float* factor = nullptr;  // inverse * scale
  float* shift = nullptr;

  static constexpr std::int64_t kColumns = 5;
  LaneTable(float* memory, std::int64_t lanes)
      : mean(memory),
        rest(memory + lanes),
        inverse(memory + 2 * lanes),
        factor(memory + 3 * lanes),
        shift(memory + 4 * lanes) {}
};

// Where the gradient that reaches the batch norm comes from: through nothing, through a ReLU whose output is
// at hand, or through a ReLU that is computed again (only without a residual; one operand less to read).
enum class GradientGate { open, by_output, recomputed };

// sum_gradient[c] = sum of dz, sum_product[c] = sum of dz * x_hat, with dz the gradient behind the gate.
template <class T>
void gradient_moments(const RowLoop& loop, GradientGate gate, const Tensor& x, const Tensor& y,
                      const Tensor& gradient, const LaneTable& lanes, double* scratch, double* sum_gradient,
                      double* sum_product);

}  // namespace secateur::cpu
