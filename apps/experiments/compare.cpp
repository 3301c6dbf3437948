// The methods that `compare` sets side by side, and the table of such a comparison.
#include "experiments/definitions.h"

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
  findings.notes = cautions(arms);
  return findings;
}

std::vector<Point> compare_points(const app::RunOptions& base, Scale scale) {
  std::vector<Point> points;
  const auto add = [&](const char* name, const char* criterion, const char* rate_policy) {
    app::RunOptions options = base;
    options.prune.width.mode = WidthMode::target;
    options.prune.criterion = criterion;
    options.prune.rate_policy = rate_policy;
    // A fallback gives a method more epochs than another.
    options.prune.fallback.enabled = false;
    points.push_back({name, options});
  };
  add("unified (the paper's)", "unified", "eq18");
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
  return points;
}

}  // namespace secateur::experiments
