#include "secateur/fusion_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "secateur/core/error.h"

namespace secateur::app {
namespace {

std::int64_t count_of(std::span<const ConvFusionChoice> choices, ConvFusion fusion) {
  return std::ranges::count(choices, fusion, &ConvFusionChoice::fusion);
}

// The reasons of the others, the most frequent first.
std::string reasons_text(std::span<const ConvFusionChoice> choices) {
  std::map<std::string, std::int64_t> counts;
  for (const ConvFusionChoice& choice : choices) {
    if (choice.fusion != ConvFusion::norm_act) ++counts[choice.reason];
  }
  std::vector<std::pair<std::string, std::int64_t>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::ranges::greater{}, &std::pair<std::string, std::int64_t>::second);
  std::vector<std::string> parts;
  for (const auto& [reason, count] : sorted) parts.push_back(fmt::format("{}: {}", count, reason));
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

std::string conv_fusion_text(std::span<const ConvFusionChoice> choices) {
  if (choices.empty()) return {};
  std::string text = fmt::format(
      "batch norm in convolutions: {} apply it to what they read, {} take its statistics alone, {} neither",
      count_of(choices, ConvFusion::norm_act), count_of(choices, ConvFusion::statistics),
      count_of(choices, ConvFusion::none));
  const std::string reasons = reasons_text(choices);
  if (!reasons.empty()) text += fmt::format(" ({})", reasons);
  return text;
}

nlohmann::json conv_fusion_json(std::span<const ConvFusionChoice> choices) {
  nlohmann::json report{{"layers", nlohmann::json::array()}};
  for (const ConvFusion fusion : {ConvFusion::none, ConvFusion::statistics, ConvFusion::norm_act}) {
    report[std::string(name_of(fusion))] = count_of(choices, fusion);
  }
  for (const ConvFusionChoice& choice : choices) {
    report["layers"].push_back(
        {{"layer", choice.layer}, {"fusion", name_of(choice.fusion)}, {"reason", choice.reason}});
  }
  return report;
}

bool fuses_convolutions(const std::string& word) {
  require(word == "auto" || word == "off", "--fuse is auto or off, not '{}'", word);
  return word == "auto";
}

}  // namespace secateur::app
