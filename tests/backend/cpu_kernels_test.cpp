// What the CPU kernels promise beyond the equations of the ops: any leading dimension, zero padding lanes,
// results that do not depend on threads, a batch norm that survives a large mean. And, per op, that the
// backward pass is the adjoint of the forward pass's derivative, with the derivative taken by differences.
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "backend/cpu_bench.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

using test::Bench;
using test::Owned;
using test::Problem;

using List = std::vector<std::int64_t>;

std::vector<Problem> problems() {
  const auto node = [](std::string op, Attributes attributes = {}, std::vector<NodeId> inputs = {0}) {
    return Node{"layer", std::move(op), std::move(inputs), std::move(attributes)};
  };
  const std::int64_t one = 1;
  const std::int64_t two = 2;
  const std::int64_t three = 3;
  return {
      {"conv",
       node("conv2d", {{"out_channels", std::int64_t{7}}, {"kernel", three}, {"padding", one}}),
       {{2, 6, 5, 5}}},
      {"conv_strided_bias",
       node("conv2d",
            {{"out_channels", std::int64_t{8}}, {"kernel", List{3, 2}}, {"stride", two}, {"bias", one}}),
       {{3, 8, 7, 3}}},
      {"conv_projection",
       node("conv2d", {{"out_channels", std::int64_t{9}}, {"kernel", one}, {"stride", two}}),
       {{2, 6, 8, 5}}},
      {"conv_groups",
       node("conv2d",
            {{"out_channels", std::int64_t{6}}, {"kernel", three}, {"padding", one}, {"groups", two}}),
       {{2, 5, 5, 4}}},
      {"conv_depthwise",
       node("conv2d", {{"out_channels", std::int64_t{5}}, {"kernel", three}, {"groups", std::int64_t{5}}}),
       {{2, 6, 6, 5}}},
      {"conv_dilated",
       node("conv2d", {{"out_channels", three}, {"kernel", three}, {"dilation", two}}),
       {{1, 7, 8, 2}}},
      {"linear", node("linear", {{"out_features", std::int64_t{10}}}), {{5, 1, 1, 13}}},
      {"linear_plain", node("linear", {{"out_features", three}, {"bias", std::int64_t{0}}}), {{1, 1, 1, 4}}},
      {"batch_norm", node("batch_norm"), {{4, 5, 5, 6}}},
      {"batch_norm_one_channel", node("batch_norm"), {{3, 4, 4, 1}}},
      {"batch_norm_wide", node("batch_norm"), {{2, 3, 3, 300}}},
      {"batch_norm_frozen", node("batch_norm"), {{3, 4, 4, 6}}, false},
      {"batch_norm_relu", node("batch_norm_act"), {{4, 5, 5, 11}}},
      {"batch_norm_relu_frozen", node("batch_norm_act"), {{4, 5, 5, 11}}, false},
      {"batch_norm_residual", node("batch_norm_act", {}, {0, 1}), {{4, 5, 5, 7}, {4, 5, 5, 7}}},
      {"batch_norm_residual_frozen", node("batch_norm_act", {}, {0, 1}), {{4, 5, 5, 7}, {4, 5, 5, 7}}, false},
      {"batch_norm_residual_no_relu",
       node("batch_norm_act", {{"relu", std::int64_t{0}}}, {0, 1}),
       {{4, 5, 5, 8}, {4, 5, 5, 8}}},
      {"relu", node("relu"), {{3, 4, 4, 5}}},
      {"add", node("add", {}, {0, 1, 2}), {{3, 4, 4, 5}, {3, 4, 4, 5}, {3, 4, 4, 5}}},
      {"dropout", node("dropout", {{"rate", 0.4}}), {{3, 4, 4, 5}}},
      {"dropout_pruned",
       node("dropout", {{"rate", 0.4}, {"origin", List{1, 4, 6}}, {"original_channels", std::int64_t{8}}}),
       {{3, 2, 2, 3}}},
      {"max_pool", node("max_pool", {{"kernel", two}}), {{3, 6, 5, 5}}},
      {"max_pool_overlapping",
       node("max_pool", {{"kernel", three}, {"stride", two}, {"padding", one}}),
       {{2, 7, 7, 9}}},
      {"max_pool_large", node("max_pool", {{"kernel", std::int64_t{17}}}), {{2, 17, 17, 3}}},
      {"avg_pool", node("avg_pool", {{"kernel", three}, {"stride", two}, {"padding", one}}), {{2, 6, 7, 5}}},
      {"avg_pool_counting_padding",
       node("avg_pool", {{"kernel", three}, {"stride", two}, {"padding", one}, {"count_include_pad", one}}),
       {{2, 6, 7, 5}}},
      {"global_avg_pool", node("global_avg_pool"), {{3, 5, 4, 70}}},
      {"concat", node("concat", {}, {0, 1, 2}), {{2, 3, 3, 4}, {2, 3, 3, 1}, {2, 3, 3, 5}}},
      {"pad_channels", node("pad_channels", {{"table", List{-1, 0, 2, -1, 1}}}), {{2, 3, 3, 3}}},
      {"gather_channels", node("gather_channels", {{"table", List{2, 0, 2, 2}}}), {{2, 3, 3, 3}}},
      {"scatter_add", node("scatter_add", {{"table", List{3, 0, 3}}}, {0, 1}), {{2, 3, 3, 5}, {2, 3, 3, 3}}},
      {"flatten", node("flatten"), {{3, 2, 3, 5}}},
      {"cross_entropy", node("softmax_cross_entropy", {}, {0, 1}), {{4, 1, 1, 6}, {4, 1, 1, 1}}},
      {"cross_entropy_smooth",
       node("softmax_cross_entropy", {{"label_smoothing", 0.1}}, {0, 1}),
       {{4, 1, 1, 6}, {4, 1, 1, 1}}},
  };
}

class CpuKernel : public ::testing::TestWithParam<Problem> {};

// The derivative along one random direction: differences against <direction, gradient>.
TEST_P(CpuKernel, BackwardIsTheDerivativeOfForward) {
  Bench bench(GetParam());
  bench.forward();
  bench.backward();
  RandomSequence random(77, RngPurpose::test);
  double predicted = 0;
  std::vector<std::pair<Owned*, std::vector<float>>> directions;
  const auto along = [&](Owned& owned, Owned& gradient) {
    if (owned.tensor.dtype != DType::f32) return;
    std::vector<float> direction(owned.memory.size(), 0.0F);
    for (std::int64_t row = 0; row < owned.tensor.rows(); ++row) {
      for (std::int64_t c = 0; c < owned.tensor.channels(); ++c) {
        const auto step = static_cast<float>(random.normal());
        direction[static_cast<std::size_t>(row * owned.tensor.leading + c)] = step;
        predicted += static_cast<double>(step) * static_cast<double>(gradient.at(row, c));
      }
    }
    directions.emplace_back(&owned, std::move(direction));
  };
  for (std::size_t i = 0; i < bench.inputs.size(); ++i) along(*bench.inputs[i], *bench.input_gradients[i]);
  for (std::size_t i = 0; i < bench.parameters.size(); ++i) {
    if (bench.trained[i]) along(*bench.parameters[i], *bench.parameter_gradients[i]);
  }
  constexpr float kStep = 1e-4F;
  double values[2];
  for (const int side : {0, 1}) {
    const auto move = [&](float step) {
      for (auto& [owned, direction] : directions) {
        for (std::size_t k = 0; k < direction.size(); ++k) owned->memory[k] += step * direction[k];
      }
    };
    move(side == 0 ? kStep : -kStep);
    bench.forward();
    values[side] = bench.objective();
    move(side == 0 ? -kStep : kStep);
  }
  const double measured = (values[0] - values[1]) / (2.0 * static_cast<double>(kStep));
  // The bound is for rounding; a step this short crosses no kink of a ReLU or a maximum with these numbers.
  EXPECT_NEAR(measured, predicted, 0.02 * std::abs(predicted) + 0.05);
  EXPECT_NE(predicted, 0.0);
}

TEST_P(CpuKernel, LeadingDimensionChangesNothing) {
  Problem padded = GetParam();
  padded.spare = 3;
  Bench dense(GetParam());
  Bench spare(padded);
  for (Bench* bench : {&dense, &spare}) {
    bench->forward();
    bench->backward();
  }
  const auto expect_same = [&](Owned& a, Owned& b) {
    if (a.tensor.dtype != DType::f32) return;
    const auto left = a.values();
    const auto right = b.values();
    for (std::size_t i = 0; i < left.size(); ++i)
      ASSERT_NEAR(left[i], right[i], 2e-5F * (1 + std::abs(left[i])));
    EXPECT_TRUE(b.padding_is_zero());
  };
  expect_same(*dense.output, *spare.output);
  for (std::size_t i = 0; i < dense.inputs.size(); ++i) {
    if (dense.inputs[i]->tensor.dtype == DType::f32)
      expect_same(*dense.input_gradients[i], *spare.input_gradients[i]);
  }
  for (std::size_t i = 0; i < dense.parameters.size(); ++i) {
    expect_same(*dense.parameters[i], *spare.parameters[i]);  // running statistics
    if (dense.trained[i]) expect_same(*dense.parameter_gradients[i], *spare.parameter_gradients[i]);
  }
}

TEST_P(CpuKernel, ASecondCallGivesTheSameBits) {
  Bench bench(GetParam());
  const auto run = [&] {
    bench.forward();
    bench.backward();
    std::vector<float> all = bench.output->values();
    for (const auto& gradient : bench.input_gradients) {
      all.insert(all.end(), gradient->memory.begin(), gradient->memory.end());
    }
    for (std::size_t i = 0; i < bench.trained.size(); ++i) {
      const auto& gradient = bench.parameter_gradients[i]->memory;
      if (bench.trained[i]) all.insert(all.end(), gradient.begin(), gradient.end());
    }
    return all;
  };
  const auto first = run();
  const auto second = run();
  ASSERT_EQ(first.size(), second.size());
  EXPECT_EQ(std::memcmp(first.data(), second.data(), first.size() * sizeof(float)), 0);
}

INSTANTIATE_TEST_SUITE_P(Ops, CpuKernel, ::testing::ValuesIn(problems()),
                         [](const auto& instance) { return instance.param.name; });

// Cross-correlation by its definition.
TEST(CpuConvolution, IsTheCrossCorrelation) {
  for (const Problem& problem : problems()) {
    if (problem.node.op != "conv2d") continue;
    Bench bench(problem);
    bench.forward();
    const Attributes& a = problem.node.attributes;
    const auto stride = a.pair_or("stride", 1);
    const auto padding = a.pair_or("padding", 0);
    const auto dilation = a.pair_or("dilation", 1);
    const std::int64_t groups = a.integer_or("groups", 1);
    const Shape& x = problem.inputs[0];
    const Shape& w = bench.parameters[0]->tensor.shape;
    const Shape& y = bench.output->tensor.shape;
    for (std::int64_t n = 0; n < y[0]; ++n) {
      for (std::int64_t p = 0; p < y[1] * y[2]; ++p) {
        for (std::int64_t k = 0; k < y[3]; ++k) {
          double sum = bench.parameters.size() > 1 ? bench.parameters[1]->at(0, k) : 0.0;
          for (std::int64_t tap = 0; tap < w[1] * w[2]; ++tap) {
            const std::int64_t h = p / y[2] * stride[0] - padding[0] + tap / w[2] * dilation[0];
            const std::int64_t v = p % y[2] * stride[1] - padding[1] + tap % w[2] * dilation[1];
            if (h < 0 || h >= x[1] || v < 0 || v >= x[2]) continue;
            for (std::int64_t c = 0; c < w[3]; ++c) {
              sum += static_cast<double>(
                         bench.inputs[0]->at((n * x[1] + h) * x[2] + v, k / (w[0] / groups) * w[3] + c)) *
                     static_cast<double>(bench.parameters[0]->at(k * w[1] * w[2] + tap, c));
            }
          }
          ASSERT_NEAR(bench.output->at(n * y[1] * y[2] + p, k), sum, 1e-4) << problem.name;
        }
      }
    }
  }
}

// Widths that pruning leaves, on several threads: oneDNN has had implementations that go wrong only there.
TEST(CpuConvolution, WeightGradientIsRightForOddWidthsOnSeveralThreads) {
  const int threads = omp_get_max_threads();
  omp_set_num_threads(2);
  for (const std::int64_t kernel : {1, 3}) {
    for (const std::int64_t stride : {1, 2}) {
      for (const auto& [in, out] : {std::pair{3, 13}, {5, 21}, {5, 16}, {11, 5}, {16, 32}}) {
        const Attributes attributes{
            {"out_channels", std::int64_t{out}}, {"kernel", kernel}, {"stride", stride}};
        Bench bench({"odd", {"layer", "conv2d", {0}, attributes}, {{4, 8, 8, in}}, true, 0});
        bench.forward();
        bench.backward();
        const Shape& y = bench.output->tensor.shape;
        for (std::int64_t k = 0; k < out; ++k) {
          for (std::int64_t tap = 0; tap < kernel * kernel; ++tap) {
            for (std::int64_t c = 0; c < in; ++c) {
              double sum = 0;
              for (std::int64_t row = 0; row < y.rows(); ++row) {
                const std::int64_t n = row / (y[1] * y[2]);
                const std::int64_t h = row / y[2] % y[1] * stride + tap / kernel;
                const std::int64_t w = row % y[2] * stride + tap % kernel;
                sum += static_cast<double>(bench.output_gradient->at(row, k)) *
                       static_cast<double>(bench.inputs[0]->at((n * 8 + h) * 8 + w, c));
              }
              ASSERT_NEAR(bench.parameter_gradients[0]->at(k * kernel * kernel + tap, c), sum, 1e-3)
                  << in << " -> " << out << ", kernel " << kernel << ", stride " << stride;
            }
          }
        }
      }
    }
  }
  omp_set_num_threads(threads);
}

// Mean and variance of a batch whose mean is far from zero, against long double.
TEST(CpuBatchNorm, SurvivesAMeanFarFromZero) {
  for (const std::int64_t channels : {1, 5, 16, 130, 700}) {
    Bench bench({"far", {"layer", "batch_norm", {0}, {{"momentum", 1.0}}}, {{40, 9, 7, channels}}, true, 0});
    const std::int64_t rows = bench.inputs[0]->tensor.rows();
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t c = 0; c < channels; ++c)
        bench.inputs[0]->at(row, c) += 3000.0F + 100.0F * static_cast<float>(c);
    }
    bench.forward();
    for (std::int64_t c = 0; c < channels; ++c) {
      long double mean = 0;
      long double squares = 0;
      for (std::int64_t row = 0; row < rows; ++row)
        mean += static_cast<long double>(bench.inputs[0]->at(row, c));
      mean /= static_cast<long double>(rows);
      for (std::int64_t row = 0; row < rows; ++row) {
        const long double d = static_cast<long double>(bench.inputs[0]->at(row, c)) - mean;
        squares += d * d;
      }
      const auto unbiased = static_cast<double>(squares / static_cast<long double>(rows - 1));
      EXPECT_NEAR(bench.parameters[2]->at(0, c), static_cast<double>(mean), 1e-7 * static_cast<double>(mean));
      EXPECT_NEAR(bench.parameters[3]->at(0, c), unbiased, 1e-5 * unbiased)
          << "channel " << c << " of " << channels;
      for (const std::int64_t row : {std::int64_t{0}, rows / 2, rows - 1}) {
        const double x_hat = static_cast<double>((bench.inputs[0]->at(row, c) - mean)) /
                             std::sqrt(static_cast<double>(squares) / static_cast<double>(rows) + 1e-5);
        const double expected = x_hat * bench.parameters[0]->at(0, c) + bench.parameters[1]->at(0, c);
        EXPECT_NEAR(bench.output->at(row, c), expected, 1e-5 * (1 + std::abs(expected)));
      }
    }
  }
}

TEST(CpuBatchNorm, DoesNotDependOnThreads) {
  const int threads = omp_get_max_threads();
  std::vector<std::vector<float>> results;
  for (const int count : {1, 2, 5}) {
    omp_set_num_threads(count);
    Bench bench({"threads", {"layer", "batch_norm_act", {0}, {}}, {{33, 16, 16, 10}}, true, 0});
    bench.forward();
    bench.backward();
    results.push_back(bench.output->values());
    for (const auto& gradient :
         {&bench.input_gradients[0], &bench.parameter_gradients[0], &bench.parameter_gradients[1]}) {
      results.back().insert(results.back().end(), (*gradient)->memory.begin(), (*gradient)->memory.end());
    }
  }
  omp_set_num_threads(threads);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(CpuMaxPool, GivesTheGradientToTheFirstOfEqualMaxima) {
  Bench bench({"ties", {"layer", "max_pool", {0}, {{"kernel", std::int64_t{2}}}}, {{1, 2, 2, 3}}, true, 0});
  // Channel 0: all equal; channel 1: the last two; channel 2: negative, the third.
  bench.inputs[0]->memory = {5, 1, -4, 5, 0, -3, 5, 2, -1, 5, 2, -2};
  bench.output_gradient->memory = {10, 20, 30};
  bench.forward();
  bench.backward();
  EXPECT_EQ(bench.output->memory, (std::vector<float>{5, 2, -1}));
  EXPECT_EQ(bench.input_gradients[0]->memory, (std::vector<float>{10, 0, 0, 0, 0, 0, 0, 20, 30, 0, 0, 0}));
}

TEST(CpuKernels, NotANumberIsSeen) {
  for (const char* op : {"relu", "max_pool", "batch_norm_act"}) {
    Bench bench({op, {"layer", op, {0}, {{"kernel", std::int64_t{2}}}}, {{1, 2, 2, 3}}, true, 0});
    bench.inputs[0]->memory[4] = std::nanf("");
    bench.forward();
    const auto values = bench.output->values();
    EXPECT_TRUE(std::ranges::any_of(values, [](float value) { return std::isnan(value); })) << op;
  }
}

TEST(CpuKernels, RefuseOtherPrecisionsAndTypes) {
  register_builtin_kernels();
  const auto device = make_host_device(DeviceKind::cpu);
  const auto stream = device->make_stream();
  const Node node{"layer", "relu", {0}, {}};
  const std::vector<Tensor> inputs{Tensor(nullptr, DType::f16, {1, 2, 2, 3})};
  for (const Precision precision :
       {Precision::fp32, Precision::bf16, Precision::fp16, Precision::tf32, Precision::fp64}) {
    const KernelSetup setup{.node = node,
                            .id = 1,
                            .stream = *stream,
                            .precision = precision,
                            .inputs = inputs,
                            .output = inputs[0],
                            .parameters = {},
                            .input_gradient_wanted = {}};
    EXPECT_THROW(static_cast<void>(make_kernel(setup)), Error);
  }
}

TEST(CpuCrossEntropy, RefusesALabelThatIsNoClass) {
  Bench bench(
      {"labels", {"layer", "softmax_cross_entropy", {0, 1}, {}}, {{4, 1, 1, 6}, {4, 1, 1, 1}}, true, 0});
  bench.inputs[1]->labels[2] = 6;
  EXPECT_THROW(bench.forward(), Error);
}

}  // namespace
}  // namespace secateur
