#include "backend/cpu/winograd_weight_gradient.h"

#include <omp.h>

#include "backend/cpu/winograd_tiles.h"

namespace secateur::cpu {
namespace {

// Chunks: as many as there is room for, each with sums of its own that stay in the second-level cache beside
// the points of a few tiles.
constexpr std::int64_t kMostSums = 48 << 10;  // floats of a chunk: 192 KiB
constexpr std::int64_t kAllSums = 1 << 20;    // floats of all chunks
constexpr std::int64_t kMostChunks = 64;
constexpr std::int64_t kLeastChunk = 64;            // tiles
constexpr std::int64_t kChunkSetFloats = 64 << 10;  // 256 KiB: of a set's points
constexpr std::int64_t kAhead = 2;                  // tiles that are asked for before their turn
// One chunk: threads share a set's points, and the sums are read and written once for each set.
constexpr std::int64_t kSetFloats = 1 << 20;  // 4 MiB
constexpr std::int64_t kLeastSet = 64;        // tiles
constexpr std::int64_t kMostSet = 1024;
// Filters of one piece of work; a multiple of the rows of a product's tile.
constexpr std::int64_t kRows = 48;

std::int64_t chunks_of(const WinogradProblem& problem, std::int64_t sums) {
  if (sums > kMostSums) return 1;
  return std::clamp<std::int64_t>(std::min(kAllSums / sums, problem.tiles() / kLeastChunk), 1, kMostChunks);
}

std::int64_t tiles_of_set(const WinogradProblem& problem, std::int64_t tile_floats, std::int64_t chunks) {
  if (chunks > 1) return kChunkSetFloats / tile_floats;
  return std::min(std::clamp(kSetFloats / tile_floats, kLeastSet, kMostSet), problem.tiles());
}

}  // namespace

bool WinogradWeightGradient::takes(const WinogradProblem& problem) {
  return WinogradConvolution::takes(problem);
}

WinogradWeightGradient::WinogradWeightGradient(const WinogradProblem& problem, const WinogradKernels& kernels)
    : problem_(problem),
      kernels_(kernels),
      threads_(omp_get_max_threads()),
      channel_columns_(whole_panels(problem.channel_lanes)),
      filter_columns_(whole_panels(problem.filter_lanes)),
      sums_point_(winograd_point_stride(problem.filters, channel_columns_)),
      chunks_(chunks_of(problem, kWinogradPoints * sums_point_)),
      set_(tiles_of_set(problem, kWinogradPoints * (channel_columns_ + filter_columns_), chunks_)),
      in_point_(winograd_point_stride(set_, channel_columns_)),
      out_point_(winograd_point_stride(set_, filter_columns_)) {}

std::int64_t WinogradWeightGradient::workspace_bytes() const {
  const std::int64_t zeros = whole_panels(problem_.input[1] * problem_.channel_lanes);
  const std::int64_t sets = chunks_ > 1 ? threads_ : 1;
  return (kWinogradPoints * (sets * (in_point_ + out_point_) + chunks_ * sums_point_) + zeros) *
         size_of(DType::f32);
}

void WinogradWeightGradient::run(const Tensor& input, const Tensor& output_gradient, const Tensor& result,
                                 void* workspace) const {
  auto* sums = static_cast<float*>(workspace);
  float* zeros = sums + chunks_ * kWinogradPoints * sums_point_;
  float* points = zeros + whole_panels(problem_.input[1] * problem_.channel_lanes);
  std::fill_n(zeros, problem_.input[1] * problem_.channel_lanes, 0.0F);
  const Operands operands{input, output_gradient, zeros};
  if (chunks_ > 1) {
    sum_chunks(operands, points, sums);
  } else {
    sum_sets(operands, points, sums);
  }
  winograd_filters_from_points(sums, channel_columns_, problem_.filters, problem_.channels,
                               result.as<float>());
}

void WinogradWeightGradient::transform(const Operands& operands, const WinogradPlace& place, float* in,
                                       float* out) const {
  kernels_.patch_to_points(winograd_patch(problem_, place, operands.input, operands.zeros),
                           problem_.channel_lanes, in, in_point_);
  kernels_.tile_to_points(winograd_tile<const float>(problem_, place, operands.output_gradient),
                          problem_.filter_lanes, out, out_point_);
}

void WinogradWeightGradient::multiply(const float* in, const float* out, std::int64_t count, std::int64_t row,
                                      std::int64_t rows, bool add, float* sums) const {
  kernels_.multiply({rows, problem_.channel_lanes, count, out + row, 1, filter_columns_, in, kWinogradPanel,
                     channel_columns_, sums + row * channel_columns_, channel_columns_, add});
}

void WinogradWeightGradient::sum_chunks(const Operands& operands, float* points, float* sums) const {
  const std::int64_t tiles = problem_.tiles();
  const std::int64_t chunk_floats = kWinogradPoints * sums_point_;
#pragma omp parallel num_threads(threads_)
  {
    float* in = points + omp_get_thread_num() * kWinogradPoints * (in_point_ + out_point_);
    float* out = in + kWinogradPoints * in_point_;
#pragma omp for schedule(dynamic)
    for (std::int64_t chunk = 0; chunk < chunks_; ++chunk) {
      const std::int64_t begin = tiles * chunk / chunks_;
      const std::int64_t end = tiles * (chunk + 1) / chunks_;
      for (std::int64_t first = begin; first < end; first += set_) {
        const std::int64_t count = std::min(set_, end - first);
        WinogradPlace place(problem_, first);
        WinogradPlace ahead(problem_, first + kAhead);
        for (std::int64_t t = 0; t < count; ++t, place.advance(problem_), ahead.advance(problem_)) {
          if (first + t + kAhead < tiles) {
            prefetch(winograd_patch(problem_, ahead, operands.input, operands.zeros));
            prefetch(winograd_tile<const float>(problem_, ahead, operands.output_gradient));
          }
          transform(operands, place, in + t * channel_columns_, out + t * filter_columns_);
        }
        for (std::int64_t point = 0; point < kWinogradPoints; ++point) {
          multiply(in + point * in_point_, out + point * out_point_, count, 0, problem_.filters,
                   first > begin, sums + chunk * chunk_floats + point * sums_point_);
        }
      }
    }
#pragma omp for schedule(static)
    for (std::int64_t point = 0; point < kWinogradPoints; ++point) {
      float* total = sums + point * sums_point_;
      for (std::int64_t chunk = 1; chunk < chunks_; ++chunk) {
        const float* more = total + chunk * chunk_floats;
#pragma omp simd
        for (std::int64_t i = 0; i < problem_.filters * channel_columns_; ++i) total[i] += more[i];
      }
    }
  }
}

void WinogradWeightGradient::sum_sets(const Operands& operands, float* points, float* sums) const {
  float* in = points;
  float* out = in + kWinogradPoints * in_point_;
  const std::int64_t tiles = problem_.tiles();
  const std::int64_t pieces = (problem_.filters + kRows - 1) / kRows;
#pragma omp parallel num_threads(threads_)
  for (std::int64_t first = 0; first < tiles; first += set_) {
    const std::int64_t count = std::min(set_, tiles - first);
#pragma omp for schedule(static)
    for (std::int64_t t = 0; t < count; ++t) {
      transform(operands, WinogradPlace(problem_, first + t), in + t * channel_columns_,
                out + t * filter_columns_);
    }
#pragma omp for schedule(static)
    for (std::int64_t work = 0; work < kWinogradPoints * pieces; ++work) {
      const std::int64_t point = work / pieces;
      const std::int64_t row = work % pieces * kRows;
      multiply(in + point * in_point_, out + point * out_point_, count, row,
               std::min(kRows, problem_.filters - row), first > 0, sums + point * sums_point_);
    }
  }
}

}  // namespace secateur::cpu
