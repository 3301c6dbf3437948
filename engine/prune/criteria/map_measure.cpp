// hrank: the mean rank of a channel's maps as matrices (Lin et al., HRank, CVPR 2020). entropy: the mean
// entropy of a histogram of a map's values, 64 bins between its least and largest (after the description in
// Wang et al. 2021, who give no histogram and no code).
#include "prune/criteria/criteria.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

void require_measured(const std::vector<double>& values, const SpaceStatistics& space,
                      const char* criterion) {
  require(static_cast<std::int64_t>(values.size()) == space.width,
          "criterion {} needs measures of the maps of '{}' that were not taken", criterion, space.name);
}

class HrankCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {.map_ranks = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    require_measured(space.map_rank, space, "hrank");
    return min_max_normalized(space.map_rank);
  }
};

class EntropyCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {.map_entropies = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    require_measured(space.map_entropy, space, "entropy");
    return min_max_normalized(space.map_entropy);
  }
};

}  // namespace

std::unique_ptr<Criterion> make_hrank_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<HrankCriterion>();
}

std::unique_ptr<Criterion> make_entropy_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<EntropyCriterion>();
}

}  // namespace secateur
