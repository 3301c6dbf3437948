// The passes of a convolution without bias by Winograd's minimal filtering.
#pragma once

#include "backend/cpu/filter_passes.h"
#include "backend/cpu/winograd.h"

namespace secateur::cpu {

[[nodiscard]] std::unique_ptr<ForwardPass> winograd_forward(const WinogradProblem& problem);
[[nodiscard]] std::unique_ptr<BackwardPass> winograd_input_gradient(const WinogradProblem& problem);
[[nodiscard]] std::unique_ptr<BackwardPass> winograd_weight_gradient(const WinogradProblem& problem);

}  // namespace secateur::cpu
