// `secateur selftest`: the checks of a device, as a table and as JSON.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "secateur/backend/open_device.h"
#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/core/version.h"
#include "secateur/io/files.h"
#include "selftest/check.h"

namespace secateur::app {
namespace {

using selftest::Check;
using selftest::Comparison;

struct Row {
  const Check* check;
  Comparison result;
  double seconds;
};

// A check that throws has failed, with the error's words.
Comparison outcome_of(const Check& check) {
  try {
    return check.run();
  } catch (const std::exception& error) {
    Comparison failed;
    failed.require(false, error.what());
    return failed;
  }
}

struct Tally {
  std::int64_t checks = 0;
  std::int64_t failed = 0;
  double worst = 0;
  double seconds = 0;
};

void print_table(const std::vector<Row>& rows) {
  std::map<std::pair<std::string, Precision>, Tally> tallies;
  for (const Row& row : rows) {
    Tally& tally = tallies[{row.check->part, row.check->precision}];
    ++tally.checks;
    if (!row.result.passed()) ++tally.failed;
    tally.worst = std::max(tally.worst, row.result.worst());
    tally.seconds += row.seconds;
  }
  fmt::print("\n  {:<10} {:<5} {:>7} {:>7} {:>16} {:>9}\n", "part", "", "checks", "failed", "worst / bound",
             "seconds");
  for (const auto& [key, tally] : tallies) {
    fmt::print("  {:<10} {:<5} {:>7} {:>7} {:>16.2f} {:>9.1f}\n", key.first, name_of(key.second),
               tally.checks, tally.failed, tally.worst, tally.seconds);
  }
}

nlohmann::json to_json(const std::vector<Row>& rows, const std::string& device) {
  nlohmann::json checks = nlohmann::json::array();
  for (const Row& row : rows) {
    nlohmann::json entry{{"part", row.check->part},
                         {"name", row.check->name},
                         {"precision", name_of(row.check->precision)},
                         {"passed", row.result.passed()},
                         {"seconds", row.seconds}};
    if (std::isfinite(row.result.worst())) entry["error_over_bound"] = row.result.worst();
    if (!row.result.passed()) entry["failure"] = row.result.failure();
    checks.push_back(std::move(entry));
  }
  const BuildInfo& build = build_info();
  return {{"device", device}, {"version", build.version}, {"commit", build.commit}, {"checks", checks}};
}

}  // namespace

int run_selftest(const SelftestArguments& arguments) {
  const DeviceKind kind = device_kind_from_name(arguments.device);
  const std::string device = open_device(kind)->description();  // or the reason why there is none
  std::vector<Check> checks = selftest::all_checks(kind);
  if (!arguments.filter.empty()) {
    std::erase_if(checks, [&](const Check& check) {
      return fmt::format("{}/{}", check.part, check.name).find(arguments.filter) == std::string::npos;
    });
    require(!checks.empty(), "no check has '{}' in its name", arguments.filter);
  }
  if (arguments.quick) std::erase_if(checks, [](const Check& check) { return check.slow; });
  fmt::print("{} checks on {}, against a float64 reference\n", checks.size(), device);
  std::vector<Row> rows;
  std::int64_t failed = 0;
  for (const Check& check : checks) {
    const auto start = std::chrono::steady_clock::now();
    rows.push_back({&check, outcome_of(check), 0});
    rows.back().seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (rows.back().result.passed()) continue;
    ++failed;
    fmt::print("  FAILED {}/{} in {}: {}\n", check.part, check.name, name_of(check.precision),
               rows.back().result.failure());
  }
  print_table(rows);
  if (!arguments.json.empty()) {
    const std::string text = to_json(rows, device).dump(2) + "\n";
    write_file_atomically(arguments.json, std::as_bytes(std::span(text)));
  }
  fmt::print("\n{}\n", failed == 0 ? "all passed" : fmt::format("{} of {} failed", failed, checks.size()));
  return failed == 0 ? 0 : 1;
}

}  // namespace secateur::app
