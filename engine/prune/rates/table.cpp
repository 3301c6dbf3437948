// fixed and sensitivity: rates that are given for each space.
#include <algorithm>
#include <charconv>

#include "prune/rates/rates.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

struct RateEntry {
  std::string pattern;
  double rate;
};

std::vector<RateEntry> parsed(const std::vector<std::string>& table) {
  std::vector<RateEntry> entries;
  for (const std::string& text : table) {
    const std::size_t equals = text.rfind('=');
    require(equals != std::string::npos && equals > 0,
            "'{}' in the table of rates is not of the form LAYER=RATE", text);
    double rate = -1;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + equals + 1, end, rate);
    require(error == std::errc() && stop == end && rate >= 0 && rate < 1,
            "'{}' in the table of rates: the rate lies in [0, 1)", text);
    entries.push_back({text.substr(0, equals), rate});
  }
  return entries;
}

bool matches(const RateEntry& entry, const SpaceScores& space) {
  return glob_matches(entry.pattern, space.name) ||
         std::ranges::any_of(space.producers,
                             [&](const std::string& name) { return glob_matches(entry.pattern, name); });
}

class FixedPolicy final : public RatePolicy {
 public:
  explicit FixedPolicy(const std::vector<std::string>& table) : entries_(parsed(table)) {}
  std::vector<double> rates(std::span<const SpaceScores> spaces) const override {
    for (const RateEntry& entry : entries_) {
      require(std::ranges::any_of(spaces, [&](const SpaceScores& space) { return matches(entry, space); }),
              "'{}' in the table of rates matches no layer that may be pruned", entry.pattern);
    }
    std::vector<double> result;
    for (const SpaceScores& space : spaces) {
      const auto found =
          std::ranges::find_if(entries_, [&](const RateEntry& entry) { return matches(entry, space); });
      result.push_back(found == entries_.end() ? 0.0 : found->rate);
    }
    return result;
  }

 private:
  std::vector<RateEntry> entries_;
};

class SensitivityPolicy final : public RatePolicy {
 public:
  SensitivityPolicy(double rate, const std::vector<std::string>& table) : rate_(rate), tolerated_(table) {}
  std::vector<double> rates(std::span<const SpaceScores> spaces) const override {
    std::vector<double> result = tolerated_.rates(spaces);
    double channels = 0;
    double tolerated = 0;
    for (std::size_t l = 0; l < spaces.size(); ++l) {
      channels += static_cast<double>(spaces[l].width);
      tolerated += result[l] * static_cast<double>(spaces[l].width);
    }
    if (!(tolerated > 0)) return result;
    const double scale = std::min(1.0, rate_ * channels / tolerated);
    for (double& rate : result) rate *= scale;
    return result;
  }

 private:
  double rate_;
  FixedPolicy tolerated_;
};

}  // namespace

std::unique_ptr<RatePolicy> make_fixed_policy(const RatePolicyOptions& options) {
  require(!options.table.empty(), "rate policy 'fixed' needs a table of rates (LAYER=RATE)");
  return std::make_unique<FixedPolicy>(options.table);
}

std::unique_ptr<RatePolicy> make_sensitivity_policy(const RatePolicyOptions& options) {
  require(!options.table.empty(), "rate policy 'sensitivity' needs a table of tolerated rates (LAYER=RATE)");
  return std::make_unique<SensitivityPolicy>(options.rate, options.table);
}

}  // namespace secateur
