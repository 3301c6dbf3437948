// group_norm: the mean, over the parameters that a channel touches, of the sum of its squared weights there,
// divided by the space's mean; I_k = mean over members of sum |w|^2 of DepGraph (Fang et al., CVPR 2023, and
// the code of its authors). Filters, batch-norm scales and the columns of the layers that read the channel
// count, biases and shifts do not, as in that code. Comparable between layers as it is, so that it is meant
// for the rate policy `global`, and not normalised again.
#include <numeric>

#include "prune/criteria/criteria.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

class GroupNormCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {.coupled = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    std::vector<double> scores(static_cast<std::size_t>(space.width), 0.0);
    double parts = 0;
    for (const CoupledStatistics& coupled : space.coupled) {
      if (coupled.kind != ParameterKind::weight && coupled.kind != ParameterKind::norm_scale) continue;
      ++parts;
      for (std::size_t i = 0; i < scores.size(); ++i) scores[i] += coupled.squares[i];
    }
    require(parts > 0, "criterion group_norm needs what the channels of '{}' touch, which was not measured",
            space.name);
    // The mean over the parts, divided by the mean over the channels: the number of parts falls out.
    const double mean =
        std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size());
    for (double& score : scores) score = mean > 0 ? score / mean : 0.0;
    return scores;
  }
};

}  // namespace

std::unique_ptr<Criterion> make_group_norm_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<GroupNormCriterion>();
}

}  // namespace secateur
