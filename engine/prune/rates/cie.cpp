// cie: cross-layer importance evaluation (CIE, 2024), from a description. A layer's contribution at a rate is
// what the network loses when that layer alone loses so much, c(rate); at a tolerance each layer gives the
// largest rate whose contribution stays within it, and the tolerance is found by bisection. The criterion
// within a layer is not known from the description.
#include <algorithm>
#include <charconv>

#include "prune/rates/rates.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

struct Contribution {
  std::string pattern;
  double rate = 0;
  double loss = 0;
};

double number(std::string_view text, const std::string& entry) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  require(error == std::errc() && stop == end, "'{}' in the table of rates: '{}' is no number", entry, text);
  return value;
}

std::vector<Contribution> parsed(const std::vector<std::string>& table) {
  std::vector<Contribution> entries;
  for (const std::string& text : table) {
    const std::size_t at = text.rfind('@');
    const std::size_t equals = at == std::string::npos ? at : text.rfind('=', at);
    require(equals != std::string::npos && equals > 0,
            "'{}' in the table of rates is not of the form LAYER=RATE@LOSS", text);
    const std::string_view view(text);
    Contribution entry{text.substr(0, equals), number(view.substr(equals + 1, at - equals - 1), text),
                       number(view.substr(at + 1), text)};
    require(entry.rate >= 0 && entry.rate < 1, "'{}' in the table of rates: the rate lies in [0, 1)", text);
    entries.push_back(std::move(entry));
  }
  return entries;
}

bool matches(const Contribution& entry, const SpaceScores& space) {
  return glob_matches(entry.pattern, space.name) ||
         std::ranges::any_of(space.producers,
                             [&](const std::string& name) { return glob_matches(entry.pattern, name); });
}

class CiePolicy final : public RatePolicy {
 public:
  CiePolicy(double rate, const std::vector<std::string>& table) : rate_(rate), entries_(parsed(table)) {}

  std::vector<double> rates(std::span<const SpaceScores> spaces) const override {
    for (const Contribution& entry : entries_) {
      require(std::ranges::any_of(spaces, [&](const SpaceScores& space) { return matches(entry, space); }),
              "'{}' in the table of rates matches no layer that may be pruned", entry.pattern);
    }
    if (!(rate_ > 0)) return std::vector<double>(spaces.size(), 0.0);
    // Rates change at the losses that were measured alone: the bisection runs over those.
    std::vector<double> tolerances;
    for (const Contribution& entry : entries_) tolerances.push_back(entry.loss);
    std::ranges::sort(tolerances);
    const auto enough = std::ranges::partition_point(
        tolerances, [&](double tolerance) { return removed(spaces, tolerance) < rate_; });
    return rates_at(spaces, enough == tolerances.end() ? tolerances.back() : *enough);
  }

 private:
  [[nodiscard]] std::vector<double> rates_at(std::span<const SpaceScores> spaces, double tolerance) const {
    std::vector<double> result;
    for (const SpaceScores& space : spaces) {
      double& rate = result.emplace_back(0.0);
      for (const Contribution& entry : entries_) {
        if (entry.loss <= tolerance && matches(entry, space)) rate = std::max(rate, entry.rate);
      }
    }
    return result;
  }

  // Part of all channels that goes at a tolerance.
  [[nodiscard]] double removed(std::span<const SpaceScores> spaces, double tolerance) const {
    const std::vector<double> rates = rates_at(spaces, tolerance);
    double channels = 0;
    double gone = 0;
    for (std::size_t l = 0; l < spaces.size(); ++l) {
      channels += static_cast<double>(spaces[l].width);
      gone += rates[l] * static_cast<double>(spaces[l].width);
    }
    return gone / channels;
  }

  double rate_;
  std::vector<Contribution> entries_;
};

}  // namespace

std::unique_ptr<RatePolicy> make_cie_policy(const RatePolicyOptions& options) {
  require(!options.table.empty(),
          "rate policy 'cie' needs a table of what each layer's rates cost alone (LAYER=RATE@LOSS): "
          "`secateur sensitivity` writes it");
  return std::make_unique<CiePolicy>(options.rate, options.table);
}

}  // namespace secateur
