// random: the control. Uniform numbers keyed by round and space, so that a repeated run removes the same
// filters.
#include "prune/criteria/criteria.h"
#include "secateur/core/rng.h"

namespace secateur {
namespace {

class RandomCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {}; }
  std::vector<double> score(const SpaceStatistics& space, const CriterionContext& context) const override {
    RandomSequence random(context.seed, RngPurpose::criterion, static_cast<std::uint32_t>(context.round),
                          static_cast<std::uint32_t>(space.space));
    std::vector<double> scores(static_cast<std::size_t>(space.width));
    for (double& score : scores) score = random.uniform();
    return scores;
  }
};

}  // namespace

std::unique_ptr<Criterion> make_random_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<RandomCriterion>();
}

}  // namespace secateur
