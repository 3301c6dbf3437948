#include "experiments/lab.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>

#include "experiments/run_place.h"
#include "experiments/sensitivity.h"
#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/text.h"

namespace secateur::experiments {
namespace {

namespace fs = std::filesystem;
using app::RunFolder;
using app::RunOptions;

Recipe recipe_of(RunOptions options, bool with_pruning) {
  options.run.out.clear();
  if (!with_pruning) options.data.steer_by = {};  // a base is trained without it
  OptionList list = with_pruning
                        ? OptionList(options.run, options.model, options.data, options.train, options.prune)
                        : OptionList(options.run, options.model, options.data, options.train);
  return list.to_recipe();
}

// Parts of a layer whose loss is measured for CIE.
const std::vector<double> kCieFractions{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};

std::string file_name_of(const std::string& text) {
  std::string name;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.';
    if (plain) name.push_back(c);
    if (!plain && !name.empty() && name.back() != '-') name.push_back('-');
  }
  return name;
}

// A folder whose run is done, under way, or not begun. The report is the last thing that a run writes: a kill
// just before it leaves the model without the measurements of it.
struct Place {
  explicit Place(const fs::path& path)
      : done(fs::exists(path / "report.html")),
        resume(!done && fs::exists(path / "last.h5")),
        folder(path, done || resume) {}
  bool done;
  bool resume;
  RunFolder folder;
};

void require_done(int code, const RunFolder& folder) {
  if (code == 130) throw Interrupted("stopped; the same command goes on from here");
  require(code == 0, "the run in '{}' ended with code {}", folder.path().string(), code);
}

// The point, told to leave the widths that a finished run left.
Point with_widths(Point point, const app::RunHistory& run) {
  PruneOptions& prune = point.options.prune;
  prune.rate_policy = "fixed";
  prune.width = {.mode = WidthMode::per_round, .rounding = Rounding::carry};
  prune.rate_table.clear();
  for (std::size_t l = 0; l < run.layer_names.size(); ++l) {
    if (run.widths_after.at(l) == run.widths_before.at(l)) continue;
    prune.rate_table.push_back(
        fmt::format("{}={:.17g}", run.layer_names[l], 1 - run.widths_after[l] / run.widths_before[l]));
  }
  require(!prune.rate_table.empty(), "'{}' takes the widths of '{}', which removed nothing", point.name,
          point.widths_of);
  return point;
}

}  // namespace

fs::path Lab::baseline(const RunOptions& options) {
  const Recipe recipe = recipe_of(options, false);
  const Place place(place_of_run(out_ / "baselines",
                                 fmt::format("{}-{}", options.model.name, options.data.name), recipe,
                                 recipe_of(RunOptions(), false)));
  if (!place.done) {
    require_done(app::run_train(options, recipe.to_toml(), place.folder, place.resume), place.folder);
  }
  return place.folder.model();
}

Point Lab::with_measured_rates(Point point) {
  const fs::path weights = baseline(point.options);
  fmt::print("what each layer's rates cost alone, for {}\n", point.name);
  const SensitivityTable table = measure_sensitivity_of(point.options, weights, kCieFractions, 0,
                                                        weights.parent_path() / "sensitivity.jsonl");
  point.options.prune.rate_table = contributions(table);
  point.measured_rates = false;
  return point;
}

RunFolder Lab::finished(const Point& point, std::int64_t seed) {
  if (point.measured_rates) return finished(with_measured_rates(point), seed);
  RunOptions options = point.options;
  const fs::path weights = baseline(options);
  options.run.seed = static_cast<std::uint64_t>(seed);
  options.prune.seed = options.run.seed;
  const Recipe recipe = recipe_of(options, true);
  // Of this baseline: its own name ends with a hash.
  const std::string base = weights.parent_path().filename().string();
  const std::string name =
      fmt::format("{}-seed{}-of-{}", file_name_of(point.name), seed, base.substr(base.rfind('-') + 1));
  const Place place(place_of_run(out_ / "runs", name, recipe, recipe_of(RunOptions(), true)));
  if (!place.done) {
    const app::PruneArguments arguments{.weights = weights, .resume = place.resume};
    require_done(app::run_prune(options, recipe.to_toml(), place.folder, arguments), place.folder);
  }
  return place.folder;
}

fs::path Lab::pruned_weights(const Point& point, std::int64_t seed) { return finished(point, seed).model(); }

app::RunHistory Lab::history_of(const Point& point, std::int64_t seed) {
  return app::read_run_history(finished(point, seed).log());
}

std::vector<Outcome> Lab::run(const std::vector<Point>& points, std::int64_t seeds) {
  require(seeds >= 1, "--seeds is at least 1, got {}", seeds);
  const auto start = std::chrono::steady_clock::now();
  std::vector<Outcome> outcomes;
  for (const Point& point : points) outcomes.push_back({point, {}});
  const std::size_t total = points.size() * static_cast<std::size_t>(seeds);
  std::size_t done = 0;
  // Seed by seed, so that an interrupted experiment has whole rows of few seeds instead of few rows.
  for (std::int64_t seed = 1; seed <= seeds; ++seed) {
    for (Outcome& outcome : outcomes) {
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      const std::string left = done == 0
                                   ? ""
                                   : ", about " +
                                         app::duration_text(elapsed.count() / static_cast<double>(done) *
                                                            static_cast<double>(total - done)) +
                                         " left";
      fmt::print("[{}/{}] {}, seed {}{}\n", done + 1, total, outcome.point.name, seed, left);
      std::fflush(stdout);
      if (outcome.point.widths_of.empty()) {
        outcome.runs.push_back(history_of(outcome.point, seed));
      } else {
        const auto model = std::ranges::find(outcomes, outcome.point.widths_of,
                                             [](const Outcome& other) { return other.point.name; });
        require(model != outcomes.end() && static_cast<std::int64_t>(model->runs.size()) == seed,
                "'{}' takes the widths of '{}', which is no earlier run", outcome.point.name,
                outcome.point.widths_of);
        outcome.runs.push_back(history_of(with_widths(outcome.point, model->runs.back()), seed));
      }
      ++done;
    }
  }
  return outcomes;
}

}  // namespace secateur::experiments
