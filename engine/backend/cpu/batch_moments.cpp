#include "backend/cpu/batch_moments.h"

#include <array>

#include "backend/joined_moments.h"

namespace secateur::cpu {
namespace {

// A block is a number of long rows by up to kBlockLanes lanes: its values stay in the second-level cache
// while they are read again, and its partial sums lie on the stack. Merged rows are below 128 + 9 * 128 lanes
// (see row_loop).
constexpr std::int64_t kBlockLanes = 1280;
constexpr std::int64_t kSplitLanes = 256;
constexpr std::int64_t kBlockValues = 16384;

std::int64_t lanes_of_block(const RowLoop& loop) {
  return loop.merged > 1 ? loop.lanes : std::min(loop.lanes, kSplitLanes);
}

std::int64_t rows_of_block(const RowLoop& loop) {
  return std::clamp<std::int64_t>(kBlockValues / std::max<std::int64_t>(lanes_of_block(loop), 1), 8, 128);
}

// A block's lanes: whole periods of all channels, or a part of a single period.
struct LaneBlock {
  std::int64_t first;  // lane of the long row
  std::int64_t lanes;  // how many
  std::int64_t
      channels;  // lanes of one period of the block; lane l belongs to channel first + l mod channels
};

// Calls `visit(row, rows, lane_block)` for every block of long rows [begin, end).
template <class Visit>
void for_blocks(const RowLoop& loop, std::int64_t begin, std::int64_t end, Visit&& visit) {
  const std::int64_t wide = lanes_of_block(loop);
  const std::int64_t high = rows_of_block(loop);
  const auto strip = [&](std::int64_t row, std::int64_t rows, std::int64_t lanes) {
    for (std::int64_t lane = 0; lane < lanes; lane += wide) {
      const std::int64_t count = std::min(wide, lanes - lane);
      visit(row, rows, LaneBlock{lane, count, std::min(count, loop.period)});
    }
  };
  const std::int64_t full = loop.last == loop.lanes ? end : std::min(end, loop.rows - 1);
  for (std::int64_t row = begin; row < full; row += high) strip(row, std::min(high, full - row), loop.lanes);
  if (full < end) strip(full, 1, loop.last);
}

// Folds the lanes of a block onto its channels: into[c] += sum over the periods.
template <class Sum>
void fold(const float* lanes, const LaneBlock& block, Sum* into) {
  for (std::int64_t start = 0; start < block.lanes; start += block.channels) {
    const float* period = lanes + start;
#pragma omp simd
    for (std::int64_t c = 0; c < block.channels; ++c) into[c] += static_cast<Sum>(period[c]);
  }
}

// The sums of one block's values and of their squares, about the block's own mean, joined into mean and
// squares of `count` values a channel. Returns the new count.
template <class T>
double add_block(const T* x, std::int64_t stride, std::int64_t rows, const LaneBlock& block, double count,
                 double* mean, double* squares) {
  alignas(32) float center[kBlockLanes];
  alignas(32) float first[kBlockLanes];
  alignas(32) float second[kBlockLanes];
  const std::int64_t lanes = block.lanes;
  const std::int64_t channels = block.channels;
  const std::int64_t periods = lanes / channels;
  const auto values = static_cast<double>(rows * periods);
  std::fill_n(first, lanes, 0.0F);
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* row = x + r * stride;
#pragma omp simd
    for (std::int64_t l = 0; l < lanes; ++l) first[l] += row[l];
  }
  std::fill_n(center, channels, 0.0F);
  fold(first, block, center);
  for (std::int64_t c = 0; c < channels; ++c) center[c] /= static_cast<float>(values);
  for (std::int64_t l = channels; l < lanes; ++l) center[l] = center[l - channels];
  std::fill_n(first, lanes, 0.0F);
  std::fill_n(second, lanes, 0.0F);
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* row = x + r * stride;
#pragma omp simd
    for (std::int64_t l = 0; l < lanes; ++l) {
      const float d = row[l] - center[l];
      first[l] += d;
      second[l] += d * d;
    }
  }
  double sums[kBlockLanes];
  double square_sums[kBlockLanes];
  std::fill_n(sums, channels, 0.0);
  std::fill_n(square_sums, channels, 0.0);
  fold(first, block, sums);
  fold(second, block, square_sums);
#pragma omp simd
  for (std::int64_t c = 0; c < channels; ++c) {
    // The float center is near the mean, not equal to it; the first sum tells the difference.
    const double offset = sums[c] / values;
    join_moments(count, values, static_cast<double>(center[c]) + offset, square_sums[c] - sums[c] * offset,
                 mean[c], squares[c]);
  }
  return values;
}

// dz of one block into two sums a lane.
template <GradientGate gate, class T>
void block_gradient(const T* x, std::int64_t x_stride, const T* y, std::int64_t y_stride, const T* dy,
                    std::int64_t dy_stride, std::int64_t rows, std::int64_t lane, std::int64_t lanes,
                    const LaneTable& table, float* first, float* second) {
  const float* mean = table.mean + lane;
  const float* rest = table.rest + lane;
  const float* inverse = table.inverse + lane;
  const float* factor = table.factor + lane;
  const float* shift = table.shift + lane;
  std::fill_n(first, lanes, 0.0F);
  std::fill_n(second, lanes, 0.0F);
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* in = x + r * x_stride;
    const T* out = gate == GradientGate::by_output ? y + r * y_stride : in;
    const T* gradient = dy + r * dy_stride;
#pragma omp simd
    for (std::int64_t l = 0; l < lanes; ++l) {
      const float deviation = (in[l] - mean[l]) - rest[l];
      float dz = gradient[l];
      if constexpr (gate == GradientGate::by_output) dz = out[l] > 0 ? dz : 0.0F;
      if constexpr (gate == GradientGate::recomputed) dz = deviation * factor[l] + shift[l] > 0 ? dz : 0.0F;
      first[l] += dz;
      second[l] += dz * (deviation * inverse[l]);
    }
  }
}

template <class T, GradientGate gate>
void sum_chunks(const RowLoop& loop, const RowChunks& chunks, const Tensor& x, const Tensor& y,
                const Tensor& gradient, const LaneTable& table, double* scratch) {
  const std::int64_t period = loop.period;
  const auto* input = x.as<T>();
  const auto* output = gate == GradientGate::by_output ? y.as<T>() : nullptr;
  const auto* dy = gradient.as<T>();
#pragma omp parallel for schedule(static)
  for (std::int64_t chunk = 0; chunk < chunks.count; ++chunk) {
    double* sums = scratch + chunk * 2 * period;
    std::fill_n(sums, 2 * period, 0.0);
    alignas(32) float first[kBlockLanes];
    alignas(32) float second[kBlockLanes];
    for_blocks(loop, chunks.begin(chunk), chunks.end(chunk, loop),
               [&](std::int64_t row, std::int64_t rows, const LaneBlock& block) {
                 const std::int64_t y_stride = loop.stride(y);
                 block_gradient<gate>(input + row * loop.stride(x) + block.first, loop.stride(x),
                                      output == nullptr ? nullptr : output + row * y_stride + block.first,
                                      y_stride, dy + row * loop.stride(gradient) + block.first,
                                      loop.stride(gradient), rows, block.first, block.lanes, table, first,
                                      second);
                 fold(first, block, sums + block.first);
                 fold(second, block, sums + period + block.first);
               });
  }
}

}  // namespace

RowChunks::RowChunks(const RowLoop& loop) {
  // At least one block a chunk, and at most kMost chunks.
  rows = std::max(rows_of_block(loop), (loop.rows + kMost - 1) / kMost);
  count = (loop.rows + rows - 1) / rows;
}

template <class T>
void batch_moments(const RowLoop& loop, const Tensor& x, double* scratch, double* mean, double* squares) {
  const RowChunks chunks(loop);
  const std::int64_t period = loop.period;
  const std::int64_t stride = loop.stride(x);
  const auto* data = x.as<T>();
  std::array<double, RowChunks::kMost> counts{};
#pragma omp parallel for schedule(static)
  for (std::int64_t chunk = 0; chunk < chunks.count; ++chunk) {
    double* chunk_mean = scratch + chunk * 2 * period;
    double* chunk_squares = chunk_mean + period;
    std::fill_n(chunk_mean, 2 * period, 0.0);
    double count = 0;
    for_blocks(loop, chunks.begin(chunk), chunks.end(chunk, loop),
               [&](std::int64_t row, std::int64_t rows, const LaneBlock& block) {
                 const double values =
                     add_block(data + row * stride + block.first, stride, rows, block, count,
                               chunk_mean + block.first, chunk_squares + block.first);
                 // All strips of a row count the same values once more for their own channels.
                 if (block.first + block.lanes >= period) count += values;
               });
    counts[static_cast<std::size_t>(chunk)] = count;
  }
  std::fill_n(mean, period, 0.0);
  std::fill_n(squares, period, 0.0);
  double count = 0;
  for (std::int64_t chunk = 0; chunk < chunks.count; ++chunk) {
    const double* chunk_mean = scratch + chunk * 2 * period;
    const double* chunk_squares = chunk_mean + period;
    const double more = counts[static_cast<std::size_t>(chunk)];
#pragma omp simd
    for (std::int64_t c = 0; c < period; ++c)
      join_moments(count, more, chunk_mean[c], chunk_squares[c], mean[c], squares[c]);
    count += more;
  }
  for (std::int64_t c = 0; c < period; ++c) squares[c] = std::max(squares[c], 0.0);
}

template <class T>
void gradient_moments(const RowLoop& loop, GradientGate gate, const Tensor& x, const Tensor& y,
                      const Tensor& gradient, const LaneTable& lanes, double* scratch, double* sum_gradient,
                      double* sum_product) {
  const RowChunks chunks(loop);
  switch (gate) {
    case GradientGate::open:
      sum_chunks<T, GradientGate::open>(loop, chunks, x, y, gradient, lanes, scratch);
      break;
    case GradientGate::by_output:
      sum_chunks<T, GradientGate::by_output>(loop, chunks, x, y, gradient, lanes, scratch);
      break;
    case GradientGate::recomputed:
      sum_chunks<T, GradientGate::recomputed>(loop, chunks, x, y, gradient, lanes, scratch);
      break;
  }
  const std::int64_t period = loop.period;
  std::fill_n(sum_gradient, period, 0.0);
  std::fill_n(sum_product, period, 0.0);
  for (std::int64_t chunk = 0; chunk < chunks.count; ++chunk) {
    const double* sums = scratch + chunk * 2 * period;
    for (std::int64_t c = 0; c < period; ++c) {
      sum_gradient[c] += sums[c];
      sum_product[c] += sums[period + c];
    }
  }
}

template void batch_moments<float>(const RowLoop&, const Tensor&, double*, double*, double*);
template void batch_moments<Bf16>(const RowLoop&, const Tensor&, double*, double*, double*);
template void gradient_moments<float>(const RowLoop&, GradientGate, const Tensor&, const Tensor&,
                                      const Tensor&, const LaneTable&, double*, double*, double*);
template void gradient_moments<Bf16>(const RowLoop&, GradientGate, const Tensor&, const Tensor&,
                                     const Tensor&, const LaneTable&, double*, double*, double*);

}  // namespace secateur::cpu
