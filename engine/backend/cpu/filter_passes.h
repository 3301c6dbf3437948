// The passes of an op with filters, each by whatever way suits the layer's shape; filters.cpp chooses them.
#pragma once

#include <cstdint>
#include <memory>

#include "secateur/backend/kernel.h"

namespace secateur::cpu {

class ForwardPass {
 public:
  virtual ~ForwardPass() = default;
  [[nodiscard]] virtual std::int64_t workspace_bytes() const = 0;
  virtual void run(const ForwardArguments& arguments) = 0;
};

// Of the gradient of the input, or of the parameters.
class BackwardPass {
 public:
  virtual ~BackwardPass() = default;
  [[nodiscard]] virtual std::int64_t workspace_bytes() const = 0;
  virtual void run(const BackwardArguments& arguments) = 0;
};

// Gradients are there when they are wanted.
struct FilterPasses {
  std::unique_ptr<ForwardPass> forward;
  std::unique_ptr<BackwardPass> input_gradient, parameter_gradients;
};

}  // namespace secateur::cpu
