#include "backend/cpu/winograd_weight_gradient.h"

#include <omp.h>

#include "backend/cpu/winograd_tiles.h"

namespace secateur::cpu {
namespace {

constexpr std::int64_t kSetFloats = 1 << 20;  // 4 MiB: of a set's points, which threads share
constexpr std::int64_t kLeastSet = 64;        // tiles: the sums are read and written once for each set
constexpr std::int64_t kMostSet = 1024;
constexpr std::int64_t kRows =
    48;  // filters of one piece of work; a multiple of the rows of a product's tile

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
      set_(std::min(std::clamp(kSetFloats / (kWinogradPoints * (channel_columns_ + filter_columns_)),
                               kLeastSet, kMostSet),
                    problem.tiles())),
      in_point_(winograd_point_stride(set_, channel_columns_)),
      out_point_(winograd_point_stride(set_, filter_columns_)) {}

std::int64_t WinogradWeightGradient::workspace_bytes() const {
  const std::int64_t sums = winograd_point_stride(problem_.filters, channel_columns_);
  const std::int64_t zeros = whole_panels(problem_.input[1] * problem_.channel_lanes);
  return (kWinogradPoints * (in_point_ + out_point_ + sums) + zeros) * size_of(DType::f32);
}

void WinogradWeightGradient::run(const Tensor& input, const Tensor& output_gradient, const Tensor& result,
                                 void* workspace) const {
  const std::int64_t sums_of_point = winograd_point_stride(problem_.filters, channel_columns_);
  auto* in = static_cast<float*>(workspace);
  float* out = in + kWinogradPoints * in_point_;
  float* sums = out + kWinogradPoints * out_point_;
  float* zeros = sums + kWinogradPoints * sums_of_point;
  std::fill_n(zeros, problem_.input[1] * problem_.channel_lanes, 0.0F);
  const std::int64_t tiles = problem_.tiles();
  const std::int64_t pieces = (problem_.filters + kRows - 1) / kRows;
#pragma omp parallel num_threads(threads_)
  for (std::int64_t first = 0; first < tiles; first += set_) {
    const std::int64_t count = std::min(set_, tiles - first);
#pragma omp for schedule(static)
    for (std::int64_t t = 0; t < count; ++t) {
      const WinogradPlace place(problem_, first + t);
      kernels_.patch_to_points(winograd_patch(problem_, place, input, zeros), problem_.channel_lanes,
                               in + t * channel_columns_, in_point_);
      kernels_.tile_to_points(winograd_tile<const float>(problem_, place, output_gradient),
                              problem_.filter_lanes, out + t * filter_columns_, out_point_);
    }
#pragma omp for schedule(static)
    for (std::int64_t work = 0; work < kWinogradPoints * pieces; ++work) {
      const std::int64_t point = work / pieces;
      const std::int64_t row = work % pieces * kRows;
      kernels_.multiply({std::min(kRows, problem_.filters - row), problem_.channel_lanes, count,
                         out + point * out_point_ + row, 1, filter_columns_, in + point * in_point_,
                         kWinogradPanel, channel_columns_,
                         sums + point * sums_of_point + row * channel_columns_, channel_columns_, first > 0});
    }
  }
  winograd_filters_from_points(sums, channel_columns_, problem_.filters, problem_.channels,
                               result.as<float>());
}

}  // namespace secateur::cpu
