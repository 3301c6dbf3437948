// conv2d on cuDNN: the Kernel of backend/kernel.h over plans of ConvPlanCache.
//
// Maps are computed over their stored width (ConvGeometry says how). The fp32 masters are read as they are
// where they have the shape and type that cuDNN reads; else each forward pass makes padded filters of the
// compute precision from them, which stay until the backward pass, and the weight gradient comes back the
// same way into dense fp32. Padding lanes of results are zero: the filters' are.
//
// Plans are deterministic ones: the first engine proposed nearly always is, so nothing is paid for it.
//
// A node that gives statistics (graph/conv_fusion.h) has them taken in the convolution's epilogue;
// norm_act_conv2d has a kernel of its own.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "secateur/backend/conv_plan.h"
#include "secateur/backend/kernel.h"

struct CUstream_st;  // cudaStream_t is a pointer to it

namespace secateur {

// What a stream offers to a convolution. Handle and stream are null on a GPU that is only described: kernels
// can then be made and asked for their memory, and running one throws Error.
struct ConvRuntime {
  ConvPlanCache* plans = nullptr;
  cudnnContext* handle = nullptr;
  CUstream_st* stream = nullptr;
};

// The plan of a layer's pass; throws Error that names the layer when there is no engine.
[[nodiscard]] std::shared_ptr<const ConvPlan> plan_of_layer(const ConvRuntime& runtime,
                                                            const ConvProblem& problem,
                                                            const std::string& layer);

// Why the node cannot have these fusions: its bias, its groups, or that cuDNN has no engine for one of them
// on this GPU; nothing where it can. A plan that is found is kept for the kernel.
[[nodiscard]] std::optional<std::string> why_not_fused(
    const KernelSetup& setup, const ConvRuntime& runtime,
    std::span<const std::pair<ConvPass, ConvFusion>> passes);

// Throws Error that names the layer when a pass has no engine. The runtime's objects must outlive the kernel.
[[nodiscard]] std::unique_ptr<Kernel> make_conv_kernel(const KernelSetup& setup, const ConvRuntime& runtime);

}  // namespace secateur
