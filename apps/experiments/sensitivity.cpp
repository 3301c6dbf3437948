#include "experiments/sensitivity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "secateur/called_as.h"
#include "secateur/core/error.h"
#include "secateur/io/files.h"
#include "secateur/io/recipe.h"
#include "secateur/text.h"

namespace secateur::experiments {

SensitivityTable measure_sensitivity(Specimen& specimen, const std::vector<SpaceScores>& spaces,
                                     const std::vector<double>& fractions, std::int64_t images,
                                     Notebook& notes, const std::string& key) {
  SensitivityTable table;
  table.fractions = fractions;
  table.whole = notes.once(key + "/whole", [&] { return std::vector{specimen.whole(images).top1}; }).front();
  for (const SpaceScores& space : spaces) {
    fmt::print("[{}/{}] {}\n", table.layers.size() + 1, spaces.size(), space.name);
    std::fflush(stdout);
    LayerSensitivity& layer = table.layers.emplace_back();
    layer.layer = space.name;
    layer.channels = space.width;
    for (const double fraction : fractions) {
      const auto count = static_cast<std::int64_t>(std::lround(fraction * static_cast<double>(space.width)));
      const auto measure = [&] {
        return std::vector{specimen.without(space, weakest(space, count), images).top1};
      };
      layer.top1.push_back(notes.once(fmt::format("{}/{}/{}", key, space.name, fraction), measure).front());
    }
  }
  return table;
}

SensitivityTable measure_sensitivity_of(const app::RunOptions& options, const std::filesystem::path& weights,
                                        const std::vector<double>& fractions, std::int64_t images,
                                        const std::filesystem::path& notebook) {
  Specimen specimen(options, weights);
  Notebook notes(notebook);
  const ControllerOptions& controller = options.prune.controller;
  const auto scores = specimen.score(options.prune.criterion, controller.alpha_start, controller.beta_start);
  // What was measured of other weights, or in another way, is no answer here.
  const std::string key =
      fmt::format("{}@{}/{}/{}", weights.string(), specimen.fingerprint(), options.prune.criterion, images);
  return measure_sensitivity(specimen, scores, fractions, images, notes, key);
}

std::vector<std::string> tolerated_rates(const SensitivityTable& table, double tolerance) {
  std::vector<std::string> rates;
  for (const LayerSensitivity& layer : table.layers) {
    double tolerated = 0;
    for (std::size_t f = 0; f < table.fractions.size(); ++f) {
      if (table.whole - layer.top1[f] > tolerance) break;
      tolerated = table.fractions[f];
    }
    if (tolerated > 0) rates.push_back(fmt::format("{}={}", layer.layer, tolerated));
  }
  return rates;
}

std::vector<std::string> contributions(const SensitivityTable& table) {
  std::vector<std::string> entries;
  for (const LayerSensitivity& layer : table.layers) {
    for (std::size_t f = 0; f < table.fractions.size(); ++f) {
      entries.push_back(
          fmt::format("{}={}@{}", layer.layer, table.fractions[f], table.whole - layer.top1[f]));
    }
  }
  return entries;
}

}  // namespace secateur::experiments

namespace secateur::app {
namespace {

using experiments::SensitivityTable;

nlohmann::json to_json(const SensitivityTable& table, const SensitivityArguments& arguments) {
  nlohmann::json layers = nlohmann::json::array();
  for (const auto& layer : table.layers) {
    layers.push_back({{"layer", layer.layer}, {"channels", layer.channels}, {"top1", layer.top1}});
  }
  return {{"weights", arguments.weights.string()},
          {"top1", table.whole},
          {"fractions", table.fractions},
          {"tolerance", arguments.tolerance},
          {"layers", layers}};
}

std::string table_of(const SensitivityTable& table) {
  std::vector<std::vector<std::string>> rows{{"layer", "channels"}};
  for (const double fraction : table.fractions)
    rows.front().push_back(fmt::format("{:g} % out", 100 * fraction));
  for (const auto& layer : table.layers) {
    auto& row = rows.emplace_back(std::vector{layer.layer, std::to_string(layer.channels)});
    for (const double top1 : layer.top1) row.push_back(percent(top1));
  }
  return table_text(rows);
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

}  // namespace

int run_sensitivity(const RunOptions& options, const SensitivityArguments& arguments) {
  require(!arguments.fractions.empty(), "--fractions: at least one");
  for (const double fraction : arguments.fractions) {
    require(fraction > 0 && fraction < 1, "--fractions lie between 0 and 1, got {}", fraction);
  }
  require(std::ranges::is_sorted(arguments.fractions), "--fractions ascend, got {}",
          fmt::join(arguments.fractions, " "));
  require(arguments.tolerance >= 0, "--tolerance is not negative, got {}", arguments.tolerance);
  const std::filesystem::path out = options.run.out.empty() ? "runs/sensitivity" : options.run.out;
  const SensitivityTable table = experiments::measure_sensitivity_of(
      options, arguments.weights, arguments.fractions, arguments.images, out / "measured.jsonl");
  const std::vector<std::string> rates = tolerated_rates(table, arguments.tolerance);
  fmt::print("\ntop-1 of the whole network on validation images: {}\n{}", percent(table.whole),
             table_of(table));
  write_text(out / "sensitivity.json", to_json(table, arguments).dump(2) + "\n");
  fmt::print("\nmeasured: {}\n", (out / "sensitivity.json").string());
  Recipe curves;
  curves.set("prune.rate-policy", std::string("cie"));
  curves.set("prune.rate-table", contributions(table));
  write_text(out / "cie.toml", curves.to_toml());
  if (rates.empty()) {
    fmt::print("no layer stays within {} of that when any of these fractions goes: no rates are written\n",
               percent(arguments.tolerance));
    return 0;
  }
  Recipe recipe;
  recipe.set("prune.rate-policy", std::string("sensitivity"));
  recipe.set("prune.rate-table", rates);
  write_text(out / "rates.toml", recipe.to_toml());
  fmt::print("rates:    {}  (what each layer tolerates within {}; {} prune --recipe takes it)\n",
             (out / "rates.toml").string(), percent(arguments.tolerance), called_as());
  return 0;
}

}  // namespace secateur::app
