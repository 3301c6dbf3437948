// slimming: the sparsity phase of network slimming (Liu et al. 2017, Eq. 1 with g(gamma) = |gamma|), as its
// authors' code has it: sparsity * sign(gamma) is added to the gradient of every batch-norm scale.
#include "prune/hooks/hooks.h"

namespace secateur {
namespace {

class SlimmingHook final : public TrainHook {
 public:
  explicit SlimmingHook(double sparsity) : sparsity_(sparsity) {}

  void edit(UpdateTerms& terms, const Model& model) override {
    for (UpdateSegment& segment : terms.segments) {
      for (const Parameter& p : model.parameters()) {
        if (p.spec.kind == ParameterKind::norm_scale && p.offset == segment.offset) segment.l1 += sparsity_;
      }
    }
  }

 private:
  double sparsity_;
};

}  // namespace

std::unique_ptr<TrainHook> make_slimming_hook(const PruneOptions& options) {
  return std::make_unique<SlimmingHook>(options.sparsity);
}

}  // namespace secateur
