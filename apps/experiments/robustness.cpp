// Robustness: the unpruned network and networks pruned from it, on clean and on corrupted test images.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>

#include "experiments/definitions.h"
#include "experiments/lab.h"
#include "experiments/notebook.h"
#include "secateur/data/corruption.h"
#include "secateur/data/loader.h"
#include "secateur/report/chart.h"
#include "secateur/text.h"
#include "secateur/train/evaluator.h"

namespace secateur::experiments {
namespace {

using data::Corruption;
using report::Series;

// A network that is measured: one of a method and seed, or the unpruned one.
struct Subject {
  Subject(const app::RunOptions& options, app::Session& session, const std::filesystem::path& weights)
      : name(weights.parent_path().filename().string()),
        loaded(app::load_model(weights, session)),
        evaluator(loaded.model, session.arena(), session.stream(), options.train.eval_batch,
                  session.precision()) {}
  std::string name;  // its folder's, which tells it from networks of other options
  app::LoadedModel loaded;
  Evaluator evaluator;
};

// The networks of one method, one a seed.
struct Arm {
  std::string name;
  std::vector<std::unique_ptr<Subject>> subjects;
};

// The method, and two controls at equal FLOPs and epochs.
std::vector<Point> points_of(const app::RunOptions& base) {
  return {method_point(base, "unified (the paper's)", "unified", "eq18"),
          method_point(base, "random (control)", "random", "uniform"),
          method_point(base, "L1 (Li et al.), uniform rates", "l1", "uniform")};
}

data::ImageSet first_images(const data::ImageSet& set, std::int64_t most) {
  std::vector<std::int64_t> first(static_cast<std::size_t>(std::min(most, set.size())));
  std::iota(first.begin(), first.end(), 0);
  return set.subset(first);
}

std::vector<int> severities_of(Scale scale) {
  return scale == Scale::smoke ? std::vector{1, 5} : std::vector{1, 2, 3, 4, 5};
}

// Accuracies on one set of images: one Spread an arm. Networks that the notebook knows are not run again, and
// the images are not made where it knows all.
class Measurement {
 public:
  Measurement(std::vector<Arm>& arms, Notebook& notes, std::int64_t images)
      : arms_(arms), notes_(notes), images_(images) {}

  template <class MakeImages>
  std::vector<Spread> operator()(const std::string& what, const MakeImages& images) {
    std::unique_ptr<data::Loader> source;
    std::vector<Spread> spreads;
    for (Arm& arm : arms_) {
      std::vector<double> accuracies;
      for (const auto& subject : arm.subjects) {
        const auto measure = [&] {
          if (!source) source = std::make_unique<data::Loader>(images(), data::evaluation_options());
          return std::vector{subject->evaluator.run(*source).top1};
        };
        accuracies.push_back(
            notes_.once(fmt::format("{}/{}/{} images", subject->name, what, images_), measure).front());
      }
      spreads.push_back(spread_of(accuracies));
    }
    return spreads;
  }

 private:
  std::vector<Arm>& arms_;
  Notebook& notes_;
  std::int64_t images_;
};

void add_row(Table& table, std::string_view corruption, const std::string& severity,
             const std::vector<Spread>& accuracies) {
  std::vector<Cell>& row = table.rows.emplace_back();
  row = {Cell{std::string(corruption)}, Cell{severity}};
  for (const Spread& accuracy : accuracies) row.push_back(percent_cell(accuracy));
}

// Accuracies summed up over corruptions or severities, one sum an arm.
struct Mean {
  explicit Mean(std::size_t arms) : sums(arms, 0.0) {}
  void add(const std::vector<Spread>& accuracies) {
    for (std::size_t a = 0; a < sums.size(); ++a) sums[a] += accuracies[a].mean;
    ++count;
  }
  [[nodiscard]] double of(std::size_t arm) const { return sums[arm] / static_cast<double>(count); }
  [[nodiscard]] std::vector<Spread> spreads() const {
    std::vector<Spread> result;
    for (std::size_t a = 0; a < sums.size(); ++a) result.push_back({of(a), 0, 1});
    return result;
  }
  std::vector<double> sums;
  std::int64_t count = 0;
};

std::vector<Series> series_of(const std::vector<Arm>& arms) {
  std::vector<Series> series;
  for (const Arm& arm : arms) series.push_back({.name = arm.name, .points = {}, .dots = true});
  return series;
}

void add_points(std::vector<Series>& series, double x, const Mean& mean) {
  for (std::size_t a = 0; a < series.size(); ++a) series[a].points.emplace_back(x, 100 * mean.of(a));
}

std::vector<Arm> arms_of(const StudyContext& context, const std::vector<Outcome>& outcomes,
                         app::Session& session) {
  std::vector<Arm> arms(1);
  arms.front().name = "unpruned";
  arms.front().subjects.push_back(
      std::make_unique<Subject>(context.base, session, context.lab.baseline(context.base)));
  for (const Outcome& outcome : outcomes) {
    Arm& arm = arms.emplace_back();
    arm.name = outcome.point.name;
    for (std::int64_t seed = 1; seed <= context.seeds; ++seed) {
      arm.subjects.push_back(
          std::make_unique<Subject>(context.base, session, context.lab.pruned_weights(outcome.point, seed)));
    }
  }
  return arms;
}

std::vector<std::string> notes_on(const std::vector<Outcome>& outcomes, std::int64_t images) {
  std::vector<std::vector<app::RunHistory>> runs;
  for (const Outcome& outcome : outcomes) runs.push_back(outcome.runs);
  std::vector<std::string> notes = cautions(runs);
  for (const Outcome& outcome : outcomes) {
    const app::RunHistory& run = outcome.runs.front();
    const double left = static_cast<double>(run.measured.at("after").macs) /
                        static_cast<double>(run.measured.at("before").macs);
    notes.push_back(
        fmt::format("{}: {:.1f} % of the multiply-adds are removed", outcome.point.name, 100 * (1 - left)));
  }
  notes.push_back(
      fmt::format("Top-1 on {} test images. The corruptions are those of Hendrycks and Dietterich (ICLR "
                  "2019), made by this program and not their published files: frost is rendered. Networks "
                  "saw none of them in training.",
                  images));
  return notes;
}

Findings robustness_findings(const StudyContext& context) {
  const std::vector<Outcome> outcomes = context.lab.run(points_of(context.base), context.seeds);
  app::Session session(context.base.run);
  std::vector<Arm> arms = arms_of(context, outcomes, session);
  const data::ImageSet test =
      app::open_data(context.base, arms.front().subjects.front()->loaded.split()).test;
  const data::ImageSet images =
      context.scale == Scale::full ? test : first_images(test, context.scale == Scale::smoke ? 20 : 500);
  Notebook notes(context.lab.out() / "measured.jsonl");
  Measurement measure(arms, notes, images.size());

  Findings findings;
  findings.table.header = {"images", "severity"};
  for (const Arm& arm : arms) findings.table.header.push_back(arm.name);
  const std::vector<Spread> clean = measure("clean", [&] { return data::ImageSet(images); });
  add_row(findings.table, "clean", "", clean);

  const std::vector<int> severities = severities_of(context.scale);
  Mean overall(arms.size());
  std::vector<Mean> by_severity(severities.size(), Mean(arms.size()));
  std::vector<Series> of_corruptions = series_of(arms);
  const auto start = std::chrono::steady_clock::now();
  std::string order;
  int done = 0;
  for (const Corruption corruption : data::all_corruptions()) {
    const std::string_view name = data::name_of(corruption);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    fmt::print("[{}/{}] {}{}\n", done + 1, data::kCorruptions, name,
               done == 0
                   ? ""
                   : ", about " + app::duration_text(elapsed.count() / done * (data::kCorruptions - done)) +
                         " left");
    std::fflush(stdout);
    Mean of_corruption(arms.size());
    for (std::size_t s = 0; s < severities.size(); ++s) {
      const std::vector<Spread> accuracies = measure(fmt::format("{}/{}", name, severities[s]), [&] {
        return data::corrupted(images, corruption, severities[s], context.base.run.seed);
      });
      add_row(findings.table, name, std::to_string(severities[s]), accuracies);
      of_corruption.add(accuracies);
      by_severity[s].add(accuracies);
      overall.add(accuracies);
    }
    ++done;
    add_points(of_corruptions, done, of_corruption);
    order += fmt::format("{}{} {}", done == 1 ? "" : ", ", done, name);
  }
  add_row(findings.table, "mean of the corruptions", "", overall.spreads());

  std::vector<Series> of_severities = series_of(arms);
  Mean unharmed(arms.size());
  unharmed.add(clean);
  add_points(of_severities, 0, unharmed);
  for (std::size_t s = 0; s < severities.size(); ++s)
    add_points(of_severities, severities[s], by_severity[s]);
  findings.figures = {
      {"corruptions", report::line_chart(of_corruptions, {.title = "Accuracy under each corruption, mean of "
                                                                   "its severities",
                                                          .x_label = "corruption, in the table's order",
                                                          .y_label = "top-1 (%)"})},
      {"severity",
       report::line_chart(of_severities, {.title = "Accuracy by severity, mean of the corruptions",
                                          .x_label = "severity (0: clean)",
                                          .y_label = "top-1 (%)"})}};
  findings.notes = notes_on(outcomes, images.size());
  findings.notes.push_back("Order of the corruptions: " + order + ".");
  return findings;
}

}  // namespace

Experiment robustness() {
  return {.name = "robustness",
          .title = "Robustness: accuracy under the fifteen common corruptions",
          .description = "The unpruned network and networks pruned from it, on corrupted test images",
          .study = robustness_findings};
}

}  // namespace secateur::experiments
