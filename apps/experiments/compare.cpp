// The methods that `compare` sets side by side, and the table of such a comparison.
#include <algorithm>
#include <functional>

#include "experiments/definitions.h"
#include "experiments/pareto.h"

namespace secateur::experiments {

Findings compared(const std::vector<Outcome>& outcomes) {
  Findings findings;
  findings.table.header = result_header();
  findings.table.header.insert(findings.table.header.begin(), "run");
  std::vector<std::vector<app::RunHistory>> arms;
  for (const Outcome& outcome : outcomes) {
    std::vector<Cell>& row = findings.table.rows.emplace_back(result_cells(outcome.runs));
    row.insert(row.begin(), Cell{outcome.point.name});
    arms.push_back(outcome.runs);
  }
  findings.cautions = cautions(arms);
  findings.notes = findings.cautions;
  return findings;
}

Findings compared_with_fronts(const std::vector<Outcome>& outcomes) {
  Findings findings = compared(outcomes);
  const auto mean = [](const Outcome& outcome, const std::function<double(const app::RunHistory&)>& value) {
    std::vector<double> values;
    for (const app::RunHistory& run : outcome.runs) values.push_back(value(run));
    return spread_of(values).mean;
  };
  std::vector<ParetoPoint> by_cost;
  std::vector<ParetoPoint> by_speed;
  for (const Outcome& outcome : outcomes) {
    const double top1 =
        100 * mean(outcome, [](const app::RunHistory& run) { return run.measured.at("after").top1; });
    const double removed = mean(outcome, [](const app::RunHistory& run) {
      return 1 - static_cast<double>(run.measured.at("after").macs) /
                     static_cast<double>(run.measured.at("before").macs);
    });
    const double speed =
        mean(outcome, [](const app::RunHistory& run) { return run.measured.at("after").images_per_second; });
    by_cost.push_back({100 * removed, top1});
    by_speed.push_back({speed, top1});
  }
  findings.figures.push_back(
      {"pareto-flops", pareto_chart(by_cost, "Accuracy against FLOPs removed", "FLOPs removed (%)")});
  findings.figures.push_back(
      {"pareto-speed", pareto_chart(by_speed, "Accuracy against measured speed", "images/s at batch 256")});
  return findings;
}

namespace {

constexpr const char* kPapers = "unified (the paper's)";

// Methods with a phase of their own have one round, with as many epochs as the others have in all of theirs:
// `before` of them before the removal.
void one_round(PruneOptions& prune, std::int64_t before, std::int64_t after) {
  prune.rounds = 1;
  prune.frequency = 1;
  prune.train_epochs = before;
  prune.finetune_epochs = after;
}

void add_methods_with_phases(std::vector<Point>& points, const app::RunOptions& common, std::int64_t epochs) {
  const auto add = [&](const char* name, const char* criterion, const char* rate_policy) -> PruneOptions& {
    points.push_back({name, common});
    points.back().options.prune.criterion = criterion;
    points.back().options.prune.rate_policy = rate_policy;
    return points.back().options.prune;
  };
  const std::int64_t phase = std::max<std::int64_t>(epochs / 2, 1);
  const std::int64_t rest = std::max<std::int64_t>(epochs - phase, 0);

  PruneOptions* prune = &add("network slimming with its sparsity phase, global", "bn_scale", "global");
  one_round(*prune, phase, rest);
  prune->train_hook = "slimming";
  prune = &add("L2 after sparse learning by coupled groups (DepGraph's), uniform rates", "l2", "uniform");
  one_round(*prune, phase, rest);
  prune->train_hook = "group_lasso";
  prune->sparsity = 5e-4;
  prune = &add("HBFP with its regulariser (from a description), uniform rates", "hbfp", "uniform");
  one_round(*prune, phase, rest);
  prune->train_hook = "hbfp";
  prune = &add("SFP, uniform rates", "l2", "uniform");
  one_round(*prune, std::max<std::int64_t>(epochs, 1), 0);
  prune->mask_mode = MaskMode::soft;
  prune = &add("ASFP, uniform rates", "l2", "uniform");
  one_round(*prune, std::max<std::int64_t>(epochs, 1), 0);
  prune->mask_mode = MaskMode::asymptotic;
  prune = &add("ABCPruner (L1 filters, candidates measured untrained)", "l1", "uniform");
  one_round(*prune, 0, epochs);
  prune->search.name = "abc";
  prune->search.epochs = 0;
  prune = &add("L1, rates of CIE (from a description)", "l1", "cie");
  one_round(*prune, 0, epochs);
  points.back().measured_rates = true;
}

void add_controls(std::vector<Point>& points, const app::RunOptions& common, std::int64_t epochs) {
  points.push_back({"unpruned, equal extra epochs (control)", common});
  PruneOptions& whole = points.back().options.prune;
  whole.width.mode = WidthMode::per_round;
  whole.criterion = "l1";
  whole.rate_policy = "uniform";
  whole.rate = 0;

  points.push_back({"the paper's widths from scratch, equal epochs in all (control)", common, kPapers});
  const app::TrainOptions& train = common.train;
  PruneOptions& small = points.back().options.prune;
  one_round(small, 0, train.epochs + epochs);
  small.criterion = "l1";
  small.reinitialize = true;
  small.learning_rate = train.learning_rate;
  small.lr_schedule = train.schedule;
}

}  // namespace

Point method_point(const app::RunOptions& base, const std::string& name, const std::string& criterion,
                   const std::string& rate_policy) {
  Point point{name, base};
  PruneOptions& prune = point.options.prune;
  prune.width.mode = WidthMode::target;
  prune.criterion = criterion;
  prune.rate_policy = rate_policy;
  // A fallback gives a method more epochs than another.
  prune.fallback.enabled = false;
  return point;
}

std::vector<Point> compare_points(const app::RunOptions& base, Scale scale) {
  std::vector<Point> points;
  const auto add = [&](const char* name, const char* criterion, const char* rate_policy) {
    points.push_back(method_point(base, name, criterion, rate_policy));
  };
  add(kPapers, "unified", "eq18");
  add("random (control)", "random", "uniform");
  if (scale == Scale::smoke) return points;
  add("magnitude alone, rates of Eq. 18", "l1", "eq18");
  add("correlation alone, rates of Eq. 18", "correlation", "eq18");
  add("unified, Eq. 18 without its depth factor", "unified", "importance");
  add("unified, uniform rates", "unified", "uniform");
  add("L1 (Li et al.), uniform rates", "l1", "uniform");
  add("L2, uniform rates", "l2", "uniform");
  add("FPGM, uniform rates", "fpgm", "uniform");
  add("batch-norm scale, global", "bn_scale", "global");
  add("LAMP, global", "lamp", "global");
  add("Taylor, uniform rates", "taylor", "uniform");
  add("APoZ, uniform rates", "apoz", "uniform");
  add("mean activation, uniform rates", "activation", "uniform");
  add("HRank, uniform rates", "hrank", "uniform");
  add("map entropy (from a description), uniform rates", "entropy", "uniform");
  add("capped L1 (from a description), uniform rates", "capped_l1", "uniform");
  add("group norm (DepGraph), global", "group_norm", "global");
  add("SNIP, global", "snip", "global");
  add("OBD with the empirical Fisher, global", "obd", "global");
  add("CorrNet (from a description), uniform rates", "corrnet", "uniform");
  add("PRF (from a description), uniform rates", "prf", "uniform");
  add("HBFP without its regulariser, uniform rates", "hbfp", "uniform");
  add("FilterSketch, uniform rates", "filter_sketch", "uniform");
  add("LFPC (from a description), uniform rates", "lfpc", "uniform");
  for (Point& point : points) point.options.prune.watch = true;
  app::RunOptions common = base;
  common.prune.width.mode = WidthMode::target;
  common.prune.fallback.enabled = false;
  common.prune.watch = true;
  const PruneOptions& p = base.prune;
  const std::int64_t epochs = p.rounds * p.train_epochs + p.rounds / p.frequency * p.finetune_epochs;
  add_methods_with_phases(points, common, epochs);
  add_controls(points, common, epochs);
  return points;
}

}  // namespace secateur::experiments
