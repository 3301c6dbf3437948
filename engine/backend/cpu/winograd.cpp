#include "backend/cpu/winograd.h"

#include <omp.h>

#include "backend/cpu/winograd_tiles.h"

namespace secateur::cpu {
namespace {

// Tiles of a block. Few, so that their points stay in the second-level cache; but filters past some size come
// from memory for every block. Multiples of the rows of a product's tile.
constexpr std::int64_t kBlock = 24;
constexpr std::int64_t kBlockOfManyFilters = 96;
constexpr std::int64_t kManyFilterFloats = 2 << 20;

std::int64_t block_of(const WinogradProblem& problem, int threads) {
  const bool many =
      kWinogradPoints * problem.channels * whole_panels(problem.filter_lanes) > kManyFilterFloats;
  // Every thread gets some.
  const std::int64_t share = (problem.tiles() + threads - 1) / threads;
  return std::max<std::int64_t>(1, std::min(many ? kBlockOfManyFilters : kBlock, share));
}

}  // namespace

WinogradProblem WinogradProblem::of_input_gradient() const {
  WinogradProblem turned = *this;
  std::swap(turned.input, turned.output);
  std::swap(turned.channels, turned.filters);
  std::swap(turned.channel_lanes, turned.filter_lanes);
  turned.padding = {2 - padding[0], 2 - padding[1]};
  return turned;
}

bool WinogradConvolution::takes(const WinogradProblem& problem) {
  const auto lanes = [](std::int64_t stored) { return stored > 0 && stored % 8 == 0; };
  const auto reaches = [](std::int64_t padding) { return padding >= 0 && padding <= 2; };
  if (!lanes(problem.channel_lanes) || !lanes(problem.filter_lanes)) return false;
  if (!reaches(problem.padding[0]) || !reaches(problem.padding[1])) return false;
  // In multiply-adds of a direct convolution, of which taps outside the map are none. On Zen 4 a transform
  // takes the time of 5 (16 lanes) to 7 (8 lanes) for each point and lane when its results stay in the cache.
  // A filter is transformed once, and its 36 points are read from memory in place of 9 taps.
  constexpr double kTransform = 8;
  constexpr double kFilter = 500;
  const auto inside = [&](int axis) {
    const auto a = static_cast<std::size_t>(axis);
    double taps = 0;
    for (std::int64_t tap = -problem.padding[a]; tap < 3 - problem.padding[a]; ++tap) {
      const std::int64_t first = std::max<std::int64_t>(0, -tap);
      const std::int64_t end = std::min(problem.output[a], problem.input[a] - tap);
      taps += static_cast<double>(std::max<std::int64_t>(0, end - first));
    }
    return taps;
  };
  const auto pairs = static_cast<double>(problem.channels * problem.filters);
  const auto tiles = static_cast<double>(problem.tiles());
  const double direct = static_cast<double>(problem.images) * inside(0) * inside(1) * pairs;
  const double points = kWinogradPoints;
  const double own =
      tiles * (points * pairs +
               points * kTransform * static_cast<double>(problem.channel_lanes + problem.filter_lanes)) +
      kFilter * pairs;
  return own < direct;
}

WinogradConvolution::WinogradConvolution(const WinogradProblem& problem, const WinogradKernels& kernels)
    : problem_(problem),
      kernels_(kernels),
      threads_(omp_get_max_threads()),
      block_(block_of(problem, threads_)),
      columns_(whole_panels(problem.filter_lanes)),
      in_point_(winograd_point_stride(block_, problem.channel_lanes)),
      out_point_(winograd_point_stride(block_, columns_)),
      thread_floats_(whole_panels(kWinogradPoints * (in_point_ + out_point_))) {}

std::int64_t WinogradConvolution::workspace_bytes() const {
  const std::int64_t zeros = whole_panels(problem_.input[1] * problem_.channel_lanes);
  return (threads_ * thread_floats_ + zeros) * size_of(DType::f32);
}

void WinogradConvolution::run(const Tensor& input, const Tensor& output, const float* filters,
                              const float* bias, const Tensor& residual, bool relu, void* workspace) const {
  auto* memory = static_cast<float*>(workspace);
  float* zeros = memory + threads_ * thread_floats_;
  std::fill_n(zeros, problem_.input[1] * problem_.channel_lanes, 0.0F);
  const std::int64_t tiles = problem_.tiles();
  const std::int64_t blocks = (tiles + block_ - 1) / block_;
#pragma omp parallel for schedule(dynamic) num_threads(threads_)
  for (std::int64_t block = 0; block < blocks; ++block) {
    float* points = memory + omp_get_thread_num() * thread_floats_;
    float* sums = points + kWinogradPoints * in_point_;
    const std::int64_t first = block * block_;
    const std::int64_t count = std::min(block_, tiles - first);
    WinogradPlace place(problem_, first);
    for (std::int64_t t = 0; t < count; ++t, place.advance(problem_)) {
      kernels_.patch_to_points(winograd_patch(problem_, place, input, zeros), problem_.channel_lanes,
                               points + t * problem_.channel_lanes, in_point_);
    }
    WinogradProduct product{count,
                            problem_.filter_lanes,
                            problem_.channels,
                            points,
                            problem_.channel_lanes,
                            1,
                            filters,
                            problem_.channels * kWinogradPanel,
                            kWinogradPanel,
                            sums,
                            columns_,
                            false};
    // Outputs lie where no cache has them; they are asked for while the products are computed.
    WinogradPlace coming(problem_, first);
    std::int64_t asked = 0;
    for (std::int64_t point = 0; point < kWinogradPoints; ++point) {
      for (; asked * kWinogradPoints < count * (point + 1); ++asked, coming.advance(problem_)) {
        prefetch(winograd_tile<float>(problem_, coming, output));
      }
      kernels_.multiply(product);
      product.a += in_point_;
      product.b += winograd_point_stride(problem_.channels, columns_);
      product.c += out_point_;
    }
    WinogradEpilogue epilogue{bias, nullptr, 0, 0, relu};
    place = WinogradPlace(problem_, first);
    for (std::int64_t t = 0; t < count; ++t, place.advance(problem_)) {
      if (!residual.empty()) {
        const auto added = winograd_tile<const float>(problem_, place, residual);
        epilogue.residual = added.data;
        epilogue.residual_row_stride = added.row_stride;
        epilogue.residual_leading = added.leading;
      }
      kernels_.points_to_tile(sums + t * columns_, out_point_, problem_.filter_lanes, epilogue,
                              winograd_tile<float>(problem_, place, output));
    }
  }
}

}  // namespace secateur::cpu
