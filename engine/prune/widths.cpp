#include "secateur/prune/widths.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "secateur/core/error.h"
#include "secateur/core/slab.h"

namespace secateur {
namespace {

// Keeps 0.3 * 10 from counting as 3.0000000000000004.
constexpr double kRoundingSlack = 1e-9;

std::int64_t nearest_multiple(double value, std::int64_t unit) {
  return static_cast<std::int64_t>(std::floor(value / static_cast<double>(unit) + 0.5 + kRoundingSlack)) *
         unit;
}

std::int64_t ceil_multiple(double value, std::int64_t unit) {
  return static_cast<std::int64_t>(std::ceil(value / static_cast<double>(unit) - kRoundingSlack)) * unit;
}

}  // namespace

WidthTracker::WidthTracker(WidthOptions options, std::int64_t rounds, std::span<const SpaceScores> spaces)
    : options_(std::move(options)), rounds_(rounds) {
  for (const SpaceScores& space : spaces) {
    const auto width = static_cast<double>(space.width);
    spaces_[space.name] = {width, width};
  }
}

std::int64_t WidthTracker::granule(const SpaceScores& space) const {
  const auto own = options_.round_to_of.find(space.name);
  return std::lcm(own == options_.round_to_of.end() ? options_.round_to : own->second, space.groups);
}

std::int64_t WidthTracker::lowest(const SpaceScores& space) const {
  return std::min(space.width, align_up(options_.min_channels, granule(space)));
}

// A space may appear only when others have shrunk: a depthwise convolution of one channel is a dense one.
WidthTracker::Tracked WidthTracker::tracked_of(const SpaceScores& space) const {
  const auto known = spaces_.find(space.name);
  const auto width = static_cast<double>(space.width);
  return known == spaces_.end() ? Tracked{width, width} : known->second;
}

std::vector<WidthStep> WidthTracker::propose(std::span<const SpaceScores> spaces,
                                             std::span<const double> rates, std::int64_t round,
                                             double scale) const {
  require(rates.size() == spaces.size(), "expected {} rates, one a layer, got {}", spaces.size(),
          rates.size());
  std::vector<WidthStep> steps;
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    const SpaceScores& space = spaces[l];
    const Tracked tracked = tracked_of(space);
    require(rates[l] >= 0 && rates[l] <= 1, "the rate of '{}' lies in [0, 1], got {}", space.name, rates[l]);
    const auto present = static_cast<double>(space.width);
    const bool carry = options_.rounding == Rounding::carry;

    WidthStep step;
    step.before = space.width;
    if (options_.mode == WidthMode::cumulative) {
      step.target =
          tracked.initial * (1.0 - rates[l] * static_cast<double>(round) / static_cast<double>(rounds_));
      step.target = std::min(step.target, tracked.target);
    } else {
      const double kept = scale == 1 ? 1.0 - rates[l] : std::pow(1.0 - rates[l], scale);
      step.target = (carry ? tracked.target : present) * kept;
    }
    const std::int64_t unit = granule(space);
    if (carry) {
      step.after = std::clamp(nearest_multiple(step.target, unit), lowest(space), space.width);
      // What a multiple of the granule cannot take from a width that is none stays.
      if ((space.width - step.after) % space.groups != 0) step.after = space.width;
      step.remove = step.before - step.after;
    } else {
      const double excess = std::max(0.0, present - step.target);
      step.remove = std::min(ceil_multiple(excess, unit), space.width - lowest(space));
      const bool strict = options_.rounding == Rounding::strict && step.remove > 0;
      step.after = step.before - step.remove + (strict ? space.groups : 0);
    }
    steps.push_back(step);
  }
  return steps;
}

void WidthTracker::accept(std::span<const SpaceScores> spaces, std::span<const WidthStep> steps) {
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    Tracked& tracked = spaces_[spaces[l].name] = tracked_of(spaces[l]);
    tracked.target = steps[l].target;
  }
}

void WidthTracker::save(StateWriter writer) const {
  std::vector<std::string> names;
  std::vector<double> initial;
  std::vector<double> target;
  for (const auto& [name, tracked] : spaces_) {
    names.push_back(name);
    initial.push_back(tracked.initial);
    target.push_back(tracked.target);
  }
  writer.set("names", names);
  writer.set("initial", initial);
  writer.set("target", target);
}

void WidthTracker::restore(const StateReader& reader) {
  const auto& names = reader.get<std::vector<std::string>>("names");
  const auto& initial = reader.get<std::vector<double>>("initial");
  const auto& target = reader.get<std::vector<double>>("target");
  require(names.size() == initial.size() && names.size() == target.size(),
          "the stored widths are damaged: {} names, {} and {} widths", names.size(), initial.size(),
          target.size());
  spaces_.clear();
  for (std::size_t i = 0; i < names.size(); ++i) spaces_[names[i]] = {initial[i], target[i]};
}

}  // namespace secateur
