// Stochastic gradient descent with momentum (Sutskever et al. 2013), over a model's slab in one pass.
#pragma once

#include <vector>

#include "secateur/backend/primitives.h"
#include "secateur/runtime/model.h"

namespace secateur {

struct SgdOptions {
  double momentum = 0.9;
  double weight_decay = 5e-4;
  bool nesterov = false;
  bool decay_norm_and_bias = true;  // false: weight decay on weights alone
};

// What a weight update does beside following the gradient: a hook may add to it.
struct UpdateTerms {
  std::vector<UpdateSegment> segments;  // one a trained parameter
  const void* decay = nullptr;          // see SgdSettings

  bool operator==(const UpdateTerms&) const = default;
};

class Sgd {
 public:
  // Throws Error for a momentum outside [0, 1), a negative weight decay, or Nesterov without momentum.
  Sgd(Model& model, SgdOptions options);
  // One update with the gradients that lie in the model, times `gradient_scale`. Follows the model through
  // prunings.
  void step(double learning_rate, Stream& stream, double gradient_scale = 1);
  // The terms of the options for the model as it is, which step() takes; others in their place, until they
  // are reset or the model changes.
  [[nodiscard]] UpdateTerms plain_terms() const;
  void use(UpdateTerms terms);
  void reset() { generation_ = -1; }
  // What the next update runs over.
  [[nodiscard]] UpdateSlabs slabs();
  // Counts changes of the terms, those of slabs() included: what was recorded with other terms is out of
  // date.
  [[nodiscard]] std::int64_t revision() const { return revision_; }
  [[nodiscard]] const SgdOptions& options() const { return options_; }

 private:
  Model& model_;
  SgdOptions options_;
  UpdateTerms terms_;
  std::int64_t generation_ = -1;
  std::int64_t revision_ = 0;
};

}  // namespace secateur
