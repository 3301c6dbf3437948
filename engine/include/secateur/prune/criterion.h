// Criterion: one score per channel of a space, from statistics alone; higher is kept. A criterion knows no
// device, no layer type and no loop. A new one is a file in prune/criteria/ and one line in its registry, or,
// from outside the project, a call of register_criterion.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/prune/prune_options.h"
#include "secateur/prune/statistics.h"

namespace secateur {

// What must be measured before a criterion can score.
struct CriterionNeeds {
  bool filter_norms = false;
  bool redundancy = false;
  bool norm_scales = false;
  bool gradients = false;
  bool filters = false;      // the weights themselves
  bool activations = false;  // zeros and means of the maps
  bool map_ranks = false;    // ranks of the maps as matrices
  bool map_entropies = false;
  bool coupled = false;           // squares of all that a channel touches
  bool weight_gradients = false;  // of the mean loss over the sample, beside the weights themselves
  bool weight_fisher = false;     // mean squares of each image's gradients: one image at a time
  bool pairwise = false;          // the correlation of every pair of maps
  bool norm_history = false;      // sums of |w| after each epoch since the last removal
  bool choice = false;            // which of its candidates is best for each space (Scorer::choose)
};

// What changes from round to round.
struct CriterionContext {
  double alpha = 1;
  double beta = 1;
  std::int64_t round = 0;
  std::uint64_t seed = 1;
};

struct CriterionOptions {
  ProducerReduction reduction = ProducerReduction::mean;
  QuirkMode quirks = QuirkMode::intended;
};

// What becomes of the weights that stay, before a removal. none: they stay as they are. sketch: they are
// replaced by a sketch of all of them (prune/filter_sketch.h).
enum class WeightEdit : std::uint8_t { none, sketch };

class Criterion {
 public:
  virtual ~Criterion() = default;
  [[nodiscard]] virtual CriterionNeeds needs() const = 0;
  // One score a member. Built-in criteria normalise by space, so that scores of different spaces compare.
  [[nodiscard]] virtual std::vector<double> score(const SpaceStatistics& space,
                                                  const CriterionContext& context) const = 0;
  // Scores of the criteria that one is chosen from for each space, in the order that
  // SpaceStatistics::chosen counts in.
  [[nodiscard]] virtual std::vector<std::vector<double>> candidates(
      const SpaceStatistics& /*space*/, const CriterionContext& /*context*/) const {
    return {};
  }
  [[nodiscard]] virtual WeightEdit edit() const { return WeightEdit::none; }
};

using CriterionFactory = std::function<std::unique_ptr<Criterion>(const CriterionOptions&)>;

// Throws Error that lists the criteria.
[[nodiscard]] std::unique_ptr<Criterion> make_criterion(std::string_view name,
                                                        const CriterionOptions& options);
// Throws Error when the name is taken.
void register_criterion(std::string name, std::string description, CriterionFactory factory);

struct CriterionInfo {
  std::string name;
  std::string description;
};
[[nodiscard]] std::vector<CriterionInfo> registered_criteria();

}  // namespace secateur
