// conv2d's kernel and its plans on a GPU that is only described: what can be known without running it.
#ifdef SECATEUR_WITH_CUDA

#include "backend/cuda/conv_kernel.h"

#include <gtest/gtest.h>

#include "secateur/core/device.h"
#include "secateur/core/error.h"
#include "secateur/core/slab.h"
#include "secateur/graph/op.h"

namespace secateur {
namespace {

struct Layer {
  std::int64_t in = 16, in_leading = 16, out = 32, out_leading = 32, groups = 1;
  Precision precision = Precision::bf16;
  bool bias = false;
  bool input_gradient = true;
  bool parameter_gradients = true;
};

class CudaConvKernel : public testing::Test {
 protected:
  std::unique_ptr<Kernel> make(const Layer& s) {
    node_ = {"layer7",
             "conv2d",
             {0},
             {{"out_channels", s.out},
              {"kernel", std::int64_t{3}},
              {"padding", std::int64_t{1}},
              {"groups", s.groups},
              {"bias", std::int64_t{s.bias ? 1 : 0}}}};
    const DType type = storage_type(s.precision);
    const std::vector<Tensor> inputs{{nullptr, type, {4, 8, 8, s.in}, s.in_leading}};
    std::vector<Tensor> parameters{{nullptr, DType::f32, {s.out, 3, 3, s.in / s.groups}}};
    if (s.bias) parameters.emplace_back(nullptr, DType::f32, Shape{s.out});
    const bool wanted[] = {s.input_gradient};
    const KernelSetup setup{.node = node_,
                            .id = 0,
                            .stream = *stream_,
                            .precision = s.precision,
                            .inputs = inputs,
                            .output = {nullptr, type, {4, 8, 8, s.out}, s.out_leading},
                            .parameters = parameters,
                            .input_gradient_wanted = wanted,
                            .parameter_gradients_wanted = s.parameter_gradients};
    return make_conv_kernel(setup, {.plans = &plans_});
  }

  // Bytes that cuDNN wants for one pass of a dense problem.
  std::int64_t scratch(ConvPass pass, std::int64_t in, std::int64_t out, Precision precision) {
    ConvProblem p{.pass = pass,
                  .precision = precision,
                  .deterministic = true,
                  .batch = 4,
                  .input = {8, 8, in},
                  .output = {8, 8, out},
                  .kernel = {3, 3},
                  .padding = {1, 1}};
    return align_up(plans_.find(p)->workspace(), Device::kAlignment);
  }

  Node node_;
  std::unique_ptr<Device> device_ = make_host_device(DeviceKind::cpu);  // only for a stream to point at
  std::unique_ptr<Stream> stream_ = device_->make_stream();
  ConvPlanCache plans_{find_gpu("a100")};
};

TEST_F(CudaConvKernel, KeepsItsOwnFiltersFromForwardToBackward) {
  // 35 -> 61 channels stored as 40 -> 64.
  const std::int64_t filters = align_up(64 * 9 * 40 * 2, Device::kAlignment);
  KernelMemory memory = make({.in = 35, .in_leading = 40, .out = 61, .out_leading = 64})->memory();
  EXPECT_EQ(memory.saved, 64 * 9 * 40 * 2);
  EXPECT_EQ(memory.forward_workspace, scratch(ConvPass::forward, 40, 64, Precision::bf16));
  EXPECT_EQ(memory.backward_workspace,
            filters + std::max(scratch(ConvPass::input_gradient, 40, 64, Precision::bf16),
                               scratch(ConvPass::weight_gradient, 40, 64, Precision::bf16)));
  EXPECT_TRUE(memory.backward_needs_inputs);
  EXPECT_FALSE(memory.backward_needs_output);

  // Nobody reads them again where no input gradient is wanted.
  memory = make({.in = 3, .in_leading = 8, .input_gradient = false})->memory();
  EXPECT_EQ(memory.saved, 0);
  EXPECT_EQ(memory.forward_workspace, 32 * 9 * 8 * 2 + scratch(ConvPass::forward, 8, 32, Precision::bf16));

  memory = make({.input_gradient = false, .parameter_gradients = false})->memory();
  EXPECT_EQ(memory.saved, 0);
  EXPECT_EQ(memory.backward_workspace, 0);
  EXPECT_FALSE(memory.backward_needs_inputs);
}

// The two gradients run one after the other in the same scratch memory.
TEST_F(CudaConvKernel, GradientsShareTheirScratch) {
  const std::int64_t filters = align_up(64 * 9 * 64 * 2, Device::kAlignment);
  const std::int64_t dw_larger = scratch(ConvPass::weight_gradient, 64, 64, Precision::bf16);
  ASSERT_LT(scratch(ConvPass::input_gradient, 64, 64, Precision::bf16), dw_larger);
  EXPECT_EQ(make({.in = 64, .in_leading = 64, .out = 64, .out_leading = 64})->memory().backward_workspace,
            filters + dw_larger);
  const std::int64_t dx_larger = scratch(ConvPass::input_gradient, 16, 32, Precision::fp32);
  ASSERT_GT(dx_larger, scratch(ConvPass::weight_gradient, 16, 32, Precision::fp32));
  EXPECT_EQ(make({.precision = Precision::fp32})->memory().backward_workspace, dx_larger);
}

TEST_F(CudaConvKernel, ReadsMastersInFloat32) {
  const KernelMemory memory = make({.in = 35, .in_leading = 35, .precision = Precision::fp32})->memory();
  EXPECT_EQ(memory.saved, 0);
  EXPECT_EQ(memory.forward_workspace, scratch(ConvPass::forward, 35, 32, Precision::fp32));
}

TEST_F(CudaConvKernel, GroupsAreCopiedWhereTheyWouldShift) {
  const Layer fitting{.in = 16, .in_leading = 16, .out = 32, .out_leading = 32, .groups = 4};
  const Layer shifting{.in = 12, .in_leading = 16, .out = 20, .out_leading = 24, .groups = 4};
  const std::int64_t copies = align_up(4 * 64 * 12 * 2, 256) + align_up(4 * 64 * 20 * 2, 256);
  EXPECT_GE(make(shifting)->memory().forward_workspace, copies);
  EXPECT_EQ(make(shifting)->memory().saved, 20 * 9 * 3 * 2);
  EXPECT_NO_THROW(static_cast<void>(make(fitting)));
  const KernelMemory depthwise =
      make({.in = 12, .in_leading = 16, .out = 12, .out_leading = 16, .groups = 12})->memory();
  EXPECT_EQ(depthwise.saved, 16 * 9 * 2);
}

TEST_F(CudaConvKernel, ABiasTakesRoomForItsGradient) {
  const std::int64_t without = make({})->memory().backward_workspace;
  EXPECT_EQ(make({.bias = true})->memory().backward_workspace, without + align_up((4 + 1) * 32 * 4, 256));
}

TEST_F(CudaConvKernel, RunningOnADescribedGpuIsAnError) {
  // fp32 reads the masters, so that the first thing to run is cuDNN's.
  const auto kernel = make({.precision = Precision::fp32});
  const std::vector<Tensor> inputs(1);
  const std::vector<Tensor> parameters(1);
  try {
    kernel->forward({inputs, Tensor(), parameters, nullptr, nullptr, StepState{}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("only described"), std::string::npos) << error.what();
  }
}

// Float32 means float32: no plan of that precision may use tensor cores; tf32 and the others do.
TEST_F(CudaConvKernel, PrecisionDecidesOnTensorCores) {
  ConvProblem p{.deterministic = true,
                .batch = 64,
                .input = {32, 32, 64},
                .output = {32, 32, 64},
                .kernel = {3, 3},
                .padding = {1, 1}};
  for (const ConvPass pass : {ConvPass::forward, ConvPass::input_gradient, ConvPass::weight_gradient}) {
    p.pass = pass;
    for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16}) {
      p.precision = precision;
      const auto plan = plans_.find(p);
      EXPECT_EQ(plan->tensor_cores(), precision != Precision::fp32) << p.to_string();
      EXPECT_TRUE(plan->deterministic());
    }
  }
}

TEST_F(CudaConvKernel, WindowsOfEveryKind) {
  struct Window {
    ConvMap input, output;
    std::array<std::int64_t, 2> kernel, stride, padding, dilation;
    std::int64_t groups;
  };
  const std::vector<Window> windows{
      {{9, 7, 16}, {9, 7, 24}, {1, 3}, {1, 1}, {0, 1}, {1, 1}, 1},       // not square
      {{16, 16, 16}, {8, 16, 16}, {3, 3}, {2, 1}, {1, 1}, {1, 1}, 1},    // strides that differ
      {{16, 16, 16}, {16, 16, 16}, {3, 3}, {1, 1}, {2, 2}, {2, 2}, 1},   // dilated
      {{16, 16, 32}, {16, 16, 32}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 32},  // depthwise
      {{16, 16, 32}, {8, 8, 32}, {5, 5}, {2, 2}, {2, 2}, {1, 1}, 32},
      {{16, 16, 12}, {16, 16, 20}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 4},  // groups of 3 and 5
      {{16, 16, 64}, {16, 16, 64}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 8},
      {{7, 7, 16}, {1, 1, 16}, {7, 7}, {1, 1}, {0, 0}, {1, 1}, 1}};
  for (const char* gpu : {"h200", "a100", "rtx3090"}) {
    ConvPlanCache plans{find_gpu(gpu)};
    for (const Window& w : windows) {
      for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16}) {
        for (const ConvPass pass : {ConvPass::forward, ConvPass::input_gradient, ConvPass::weight_gradient}) {
          EXPECT_NO_THROW(static_cast<void>(plans.find({pass, precision, true, 8, w.input, w.output, w.kernel,
                                                        w.stride, w.padding, w.dilation, w.groups})));
        }
      }
    }
  }
}

TEST_F(CudaConvKernel, PlansAreMadeOnceAndRefusalsAreRemembered) {
  ConvProblem p{
      .batch = 8, .input = {16, 16, 16}, .output = {16, 16, 16}, .kernel = {3, 3}, .padding = {1, 1}};
  const auto first = plans_.find(p);
  EXPECT_EQ(first, plans_.find(p));
  EXPECT_EQ(plans_.made(), 1);
  p.output.height = 15;  // no window gives that
  std::string message;
  for (int i = 0; i < 2; ++i) {
    try {
      static_cast<void>(plans_.find(p));
      FAIL();
    } catch (const Error& error) {
      message = error.what();
    }
  }
  EXPECT_EQ(plans_.made(), 2);
  EXPECT_NE(message.find("16x16x16 -> 15x16x16"), std::string::npos) << message;
  EXPECT_NE(message.find("CUDNN_STATUS"), std::string::npos) << message;
}

TEST_F(CudaConvKernel, ADescriptionThatCudnnRefusesIsAnError) {
  GpuDescription gpu = find_gpu("a100");
  gpu.properties_json = "{}";
  EXPECT_THROW(ConvPlanCache{gpu}, Error);
}

}  // namespace
}  // namespace secateur

#endif
