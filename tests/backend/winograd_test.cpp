// Winograd's filtering against convolutions by their definition in double, in every width of vectors that
// this processor has: the layers of the real networks, odd widths that pruning leaves, maps that no tile
// fits.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "backend/cpu/winograd.h"
#include "backend/cpu/winograd_weight_gradient.h"
#include "secateur/core/rng.h"

namespace secateur::cpu {
namespace {

// That of an op in fp32 (apps/selftest/check.cpp).
constexpr double kBound = 5e-6;

struct Layer {
  std::int64_t images, height, width, channels, filters;
  std::int64_t padding = 1;

  [[nodiscard]] WinogradProblem problem() const {
    const auto lanes = [](std::int64_t count) { return (count + 7) / 8 * 8; };
    return {images,
            {height, width},
            {height + 2 * padding - 2, width + 2 * padding - 2},
            {padding, padding},
            channels,
            filters,
            lanes(channels),
            lanes(filters)};
  }
  friend std::ostream& operator<<(std::ostream& out, const Layer& l) {
    return out << fmt::format("{} x {} x {}, {} -> {}, padding {}", l.images, l.height, l.width, l.channels,
                              l.filters, l.padding);
  }
};

// A map with padding lanes that are zero, in memory that starts where slabs do.
struct Map {
  Map(const Shape& shape, std::int64_t leading, std::uint32_t key)
      : memory(static_cast<std::size_t>(shape.rows() * leading + 64), 0.0F) {
    void* start = memory.data();
    std::size_t space = memory.size() * sizeof(float);
    tensor = Tensor(std::align(64, sizeof(float), start, space), DType::f32, shape, leading);
    RandomSequence random(5, RngPurpose::test, key);
    for (std::int64_t row = 0; row < shape.rows(); ++row) {
      // A mean that is not zero: activations behind a ReLU have one.
      for (std::int64_t c = 0; c < shape.last(); ++c) at(row, c) = static_cast<float>(0.3 + random.normal());
    }
  }
  [[nodiscard]] float& at(std::int64_t row, std::int64_t c) const {
    return tensor.as<float>()[row * tensor.leading + c];
  }
  void spoil() { std::fill(memory.begin(), memory.end(), NAN); }

  std::vector<float> memory;
  Tensor tensor;
};

struct Workspace {
  explicit Workspace(std::int64_t bytes) : map({1, 1, 1, bytes / size_of(DType::f32)}, bytes / 4, 0) {
    map.spoil();
  }
  [[nodiscard]] float* data() const { return map.tensor.as<float>(); }
  Map map;
};

// Calls visit(output row, input row, tap) for all that a convolution pairs.
template <class Visit>
void for_pairs(const WinogradProblem& p, Visit&& visit) {
  for (std::int64_t n = 0; n < p.images; ++n) {
    for (std::int64_t y = 0; y < p.output[0]; ++y) {
      for (std::int64_t x = 0; x < p.output[1]; ++x) {
        for (std::int64_t tap = 0; tap < 9; ++tap) {
          const std::int64_t in_y = y + tap / 3 - p.padding[0];
          const std::int64_t in_x = x + tap % 3 - p.padding[1];
          if (in_y < 0 || in_y >= p.input[0] || in_x < 0 || in_x >= p.input[1]) continue;
          visit((n * p.output[0] + y) * p.output[1] + x, (n * p.input[0] + in_y) * p.input[1] + in_x, tap);
        }
      }
    }
  }
}

double error_of(const std::vector<double>& expected, const std::vector<float>& got) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double d = static_cast<double>(got[i]) - expected[i];
    difference += d * d;
    size += expected[i] * expected[i];
  }
  return std::sqrt(difference / size);
}

// One layer with its operands, and what its three passes give.
struct Case {
  explicit Case(const Layer& layer)
      : problem(layer.problem()),
        input({layer.images, layer.height, layer.width, layer.channels}, problem.channel_lanes, 1),
        filters({layer.filters, 3, 3, layer.channels}, layer.channels, 2),
        gradient({layer.images, problem.output[0], problem.output[1], layer.filters}, problem.filter_lanes,
                 3),
        output(gradient.tensor.shape, problem.filter_lanes, 0),
        residual(gradient.tensor.shape, problem.filter_lanes, 4),
        input_gradient(input.tensor.shape, problem.channel_lanes, 0),
        weight_gradient(filters.tensor.shape, layer.channels, 0),
        bias({1, 1, 1, layer.filters}, problem.filter_lanes, 5) {
    for (float& weight : filters.memory) weight /= std::sqrt(static_cast<float>(9 * layer.channels));
  }

  void forward(const WinogradKernels& kernels, bool epilogue) {
    output.spoil();
    convolve(kernels, problem, WinogradUse::forward, input.tensor, output.tensor,
             epilogue ? bias.tensor.as<float>() : nullptr, epilogue ? residual.tensor : Tensor(), epilogue);
  }
  void backward(const WinogradKernels& kernels) {
    input_gradient.spoil();
    weight_gradient.spoil();
    convolve(kernels, problem.of_input_gradient(), WinogradUse::input_gradient, gradient.tensor,
             input_gradient.tensor, nullptr, Tensor(), false);
    const WinogradWeightGradient weights(problem, kernels);
    const Workspace workspace(weights.workspace_bytes());
    weights.run(input.tensor, gradient.tensor, weight_gradient.tensor, workspace.data());
  }

  WinogradProblem problem;
  Map input, filters, gradient, output, residual, input_gradient, weight_gradient, bias;

 private:
  void convolve(const WinogradKernels& kernels, const WinogradProblem& convolved, WinogradUse use,
                const Tensor& from, const Tensor& to, const float* own_bias, const Tensor& added, bool relu) {
    const WinogradFilters transform(problem.filters, problem.channels, use);
    const Workspace points(transform.bytes());
    transform.transform(filters.tensor.as<float>(), points.data());
    const WinogradConvolution convolution(convolved, kernels);
    const Workspace workspace(convolution.workspace_bytes());
    convolution.run(from, to, points.data(), own_bias, added, relu, workspace.data());
  }
};

std::vector<float> dense(const Map& map) {
  std::vector<float> values;
  for (std::int64_t row = 0; row < map.tensor.rows(); ++row) {
    for (std::int64_t c = 0; c < map.tensor.channels(); ++c) values.push_back(map.at(row, c));
    for (std::int64_t c = map.tensor.channels(); c < map.tensor.leading; ++c) {
      EXPECT_EQ(map.at(row, c), 0.0F) << "a padding lane";
    }
  }
  return values;
}

std::vector<Layer> layers() {
  std::vector<Layer> list = {
      {3, 32, 32, 16, 16},  {3, 16, 16, 32, 32}, {5, 8, 8, 64, 64},    // ResNet-20 and -56
      {1, 32, 32, 64, 64},  {2, 8, 8, 128, 256}, {2, 4, 4, 512, 512},  // VGG-16
      {1, 28, 28, 64, 64},  {1, 7, 7, 128, 128},                       // ResNet-18 at 112 pixels
      {2, 9, 6, 24, 40, 0}, {2, 6, 9, 24, 8, 2},                       // no padding, wide padding
      {40, 8, 8, 16, 24},                                              // chunks of several sets of tiles
  };
  constexpr std::int64_t kWidths[] = {1, 3, 7, 35, 61};
  constexpr std::int64_t kExtents[] = {2, 4, 5, 7, 14};
  for (std::size_t i = 0; i < std::size(kWidths); ++i) {
    for (std::size_t j = 0; j < std::size(kExtents); ++j) {
      list.push_back({2, kExtents[j], kExtents[(j + i) % 5], kWidths[i], kWidths[(i + j + 1) % 5]});
    }
  }
  return list;
}

std::vector<const WinogradKernels*> available() {
  std::vector<const WinogradKernels*> list{winograd_kernels_baseline()};
  if (const WinogradKernels* wide = winograd_kernels_avx512()) list.push_back(wide);
  return list;
}

class Winograd : public ::testing::TestWithParam<Layer> {};

TEST_P(Winograd, ForwardIsTheConvolution) {
  Case own(GetParam());
  const WinogradProblem& p = own.problem;
  std::vector<double> plain(static_cast<std::size_t>(own.output.tensor.count()), 0.0);
  for_pairs(p, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
    for (std::int64_t k = 0; k < p.filters; ++k) {
      double sum = 0;
      for (std::int64_t c = 0; c < p.channels; ++c) {
        sum += static_cast<double>(own.input.at(in, c)) * static_cast<double>(own.filters.at(k * 9 + tap, c));
      }
      plain[static_cast<std::size_t>(out * p.filters + k)] += sum;
    }
  });
  std::vector<double> with_epilogue = plain;
  for (std::int64_t row = 0; row < own.output.tensor.rows(); ++row) {
    for (std::int64_t k = 0; k < p.filters; ++k) {
      double& value = with_epilogue[static_cast<std::size_t>(row * p.filters + k)];
      value = std::max(0.0, value + own.bias.at(0, k) + own.residual.at(row, k));
    }
  }
  for (const WinogradKernels* kernels : available()) {
    SCOPED_TRACE(kernels->name);
    own.forward(*kernels, false);
    EXPECT_LE(error_of(plain, dense(own.output)), kBound);
    own.forward(*kernels, true);
    EXPECT_LE(error_of(with_epilogue, dense(own.output)), kBound);
  }
}

TEST_P(Winograd, GradientsAreTheConvolutions) {
  Case own(GetParam());
  const WinogradProblem& p = own.problem;
  std::vector<double> of_input(static_cast<std::size_t>(own.input.tensor.count()), 0.0);
  std::vector<double> of_filters(static_cast<std::size_t>(own.filters.tensor.count()), 0.0);
  for_pairs(p, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
    for (std::int64_t k = 0; k < p.filters; ++k) {
      const double dy = own.gradient.at(out, k);
      for (std::int64_t c = 0; c < p.channels; ++c) {
        of_input[static_cast<std::size_t>(in * p.channels + c)] +=
            dy * static_cast<double>(own.filters.at(k * 9 + tap, c));
        of_filters[static_cast<std::size_t>((k * 9 + tap) * p.channels + c)] +=
            dy * static_cast<double>(own.input.at(in, c));
      }
    }
  });
  for (const WinogradKernels* kernels : available()) {
    SCOPED_TRACE(kernels->name);
    own.backward(*kernels);
    EXPECT_LE(error_of(of_input, dense(own.input_gradient)), kBound);
    EXPECT_LE(error_of(of_filters, dense(own.weight_gradient)), kBound);
  }
}

TEST_P(Winograd, ThreadsChangeNoBit) {
  const int threads = omp_get_max_threads();
  Case own(GetParam());
  for (const WinogradKernels* kernels : available()) {
    SCOPED_TRACE(kernels->name);
    std::vector<float> first;
    for (const int count : {1, 2, 3, 1}) {
      omp_set_num_threads(count);
      own.forward(*kernels, true);
      own.backward(*kernels);
      std::vector<float> all = dense(own.output);
      for (const Map* map : {&own.input_gradient, &own.weight_gradient}) {
        const std::vector<float> more = dense(*map);
        all.insert(all.end(), more.begin(), more.end());
      }
      if (first.empty()) first = all;
      ASSERT_EQ(std::memcmp(first.data(), all.data(), all.size() * sizeof(float)), 0) << count << " threads";
    }
  }
  omp_set_num_threads(threads);
}

INSTANTIATE_TEST_SUITE_P(Layers, Winograd, ::testing::ValuesIn(layers()));

TEST(WinogradChoice, FollowsFromTheShape) {
  const auto takes = [](const Layer& layer) { return WinogradConvolution::takes(layer.problem()); };
  EXPECT_TRUE(takes({128, 32, 32, 16, 16}));
  EXPECT_TRUE(takes({128, 8, 8, 64, 64}));
  EXPECT_TRUE(takes({128, 4, 4, 512, 512}));
  EXPECT_TRUE(takes({1, 28, 28, 64, 64}));
  EXPECT_FALSE(takes({1, 4, 4, 512, 512}))
      << "one tile does not pay for bringing 262144 filters to the points";
  EXPECT_FALSE(takes({128, 2, 2, 512, 512})) << "tiles of which a quarter is map";
  EXPECT_FALSE(takes({128, 32, 32, 1, 1})) << "nothing but transforms";
  WinogradProblem odd = Layer{128, 32, 32, 16, 35}.problem();
  EXPECT_TRUE(WinogradConvolution::takes(odd));
  odd.filter_lanes = 35;
  EXPECT_FALSE(WinogradConvolution::takes(odd)) << "pixels that are no whole vectors";
}

// A diverged run is seen: what is not a number reaches the output, through the ReLU too.
TEST(WinogradChoice, WhatIsNoNumberStaysNone) {
  Case own({1, 8, 8, 16, 16});
  own.input.at(0, 0) = NAN;
  for (const WinogradKernels* kernels : available()) {
    own.forward(*kernels, true);
    EXPECT_TRUE(std::isnan(own.output.at(0, 0))) << kernels->name;
    EXPECT_FALSE(std::isnan(own.output.at(63, 0))) << kernels->name;
  }
}

}  // namespace
}  // namespace secateur::cpu
