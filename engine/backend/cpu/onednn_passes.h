// The passes of convolutions and linear layers on oneDNN. Activations are handed over as they lie (NHWC);
// weights go from KRSC into the layout that the primitive asks for on each call, since they change on each
// step; measured on AVX2, blocked activations are slower than that. Every primitive and memory object is made
// once; a call sets pointers and executes.
#pragma once

#include "backend/cpu/filter_passes.h"
#include "backend/cpu/onednn_operands.h"

namespace secateur::cpu {

// What a filter op is to oneDNN. Backward descriptions are there when they are wanted of oneDNN.
struct FilterPlan {
  Description source, destination, weights, bias;
  bool has_bias = false;
  FilterLanes lanes;
  std::optional<dnnl::primitive_desc_base> forward, backward_data, backward_weights;
};

[[nodiscard]] std::unique_ptr<ForwardPass> onednn_forward(const KernelSetup& setup, const FilterPlan& plan);
[[nodiscard]] std::unique_ptr<BackwardPass> onednn_input_gradient(const KernelSetup& setup,
                                                                  const FilterPlan& plan);
// Of weights and bias.
[[nodiscard]] std::unique_ptr<BackwardPass> onednn_parameter_gradients(const KernelSetup& setup,
                                                                       const FilterPlan& plan);

}  // namespace secateur::cpu
