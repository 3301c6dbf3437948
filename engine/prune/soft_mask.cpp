#include "prune/soft_mask.h"

#include <cmath>

#include "secateur/prune/selection.h"

namespace secateur {
namespace {

double rising(double progress, double k) { return std::expm1(-k * progress) / std::expm1(-k); }

}  // namespace

double asymptotic_part(double progress, double knee) {
  // rising(knee, k) grows with k from knee to 1, and is 3/4 or more at ln 4 / knee.
  double low = 1e-6;
  double high = std::log(4.0) / knee;
  for (int i = 0; i < 80; ++i) {
    const double middle = 0.5 * (low + high);
    (rising(knee, middle) < 0.75 ? low : high) = middle;
  }
  return rising(progress, high);
}

PruningPlan part_of(const PlannedRound& planned, std::span<const SpaceScores> spaces, double part) {
  if (part >= 1) return planned.plan;
  PruningPlan plan;
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    const SpaceScores& space = spaces[l];
    const WidthStep& step = planned.steps[l];
    const double turns =
        part * static_cast<double>(step.before - step.after) / static_cast<double>(space.groups);
    const std::int64_t count = static_cast<std::int64_t>(std::floor(turns)) * space.groups;
    if (count > 0) plan.edits.push_back({space.name, step.before, kept_members(space, count)});
  }
  return plan;
}

}  // namespace secateur
