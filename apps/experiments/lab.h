// The lab runs an experiment's points, each in a folder of its own: what was finished is not run again, what
// was interrupted goes on, and a baseline that several points start from is trained once.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "experiments/experiment.h"
#include "secateur/session.h"

namespace secateur::experiments {

class Lab {
 public:
  // Everything lies under `out`; baselines in out/baselines, found by all that they depend on (run_place.h),
  // so that several experiments with the same `out` share them.
  explicit Lab(std::filesystem::path out) : out_(std::move(out)) {}

  // Runs every point with seeds 1 .. seeds. Throws Error where a run fails, and Interrupted after Ctrl-C;
  // what was done stays.
  [[nodiscard]] std::vector<Outcome> run(const std::vector<Point>& points, std::int64_t seeds);
  // The weights of the trained network that these options describe.
  [[nodiscard]] std::filesystem::path baseline(const app::RunOptions& options);
  // The weights of the network that this point leaves with this seed.
  [[nodiscard]] std::filesystem::path pruned_weights(const Point& point, std::int64_t seed);
  [[nodiscard]] const std::filesystem::path& out() const { return out_; }

 private:
  // The folder of the run, done now if it was not before.
  [[nodiscard]] app::RunFolder finished(const Point& point, std::int64_t seed);
  // The point with a table of what rates cost, measured on its baseline once.
  [[nodiscard]] Point with_measured_rates(Point point);
  [[nodiscard]] app::RunHistory history_of(const Point& point, std::int64_t seed);

  std::filesystem::path out_;
};

}  // namespace secateur::experiments
