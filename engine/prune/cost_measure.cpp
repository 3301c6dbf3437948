#include "secateur/prune/cost_measure.h"

#include "secateur/core/error.h"
#include "secateur/graph/cost.h"

namespace secateur {
namespace {

std::string count_text(double count, const char* what) {
  if (count >= 1e9) return fmt::format("{:.2f} G {}", count * 1e-9, what);
  if (count >= 1e6) return fmt::format("{:.2f} M {}", count * 1e-6, what);
  if (count >= 1e4) return fmt::format("{:.1f} k {}", count * 1e-3, what);
  return fmt::format("{:.0f} {}", count, what);
}

std::string bytes_text(double bytes) {
  constexpr double kKibi = 1024;
  if (bytes >= kKibi * kKibi * kKibi) return fmt::format("{:.2f} GiB", bytes / (kKibi * kKibi * kKibi));
  if (bytes >= kKibi * kKibi) return fmt::format("{:.2f} MiB", bytes / (kKibi * kKibi));
  return fmt::format("{:.2f} KiB", bytes / kKibi);
}

}  // namespace

CostOfGraph count_of(BudgetMeasure measure) {
  switch (measure) {
    case BudgetMeasure::flops:
      return [](const Graph& graph) { return static_cast<double>(cost_of(graph).macs); };
    case BudgetMeasure::params:
      return [](const Graph& graph) { return static_cast<double>(cost_of(graph).parameters); };
    case BudgetMeasure::memory:
    case BudgetMeasure::latency:
      break;
  }
  fail("a budget of {} needs a device to know the cost by; none was given", option_name(measure));
}

double budget_of(const BudgetOptions& options, double base) {
  return options.amount > 0 ? options.amount : options.fraction * base;
}

std::string cost_text(BudgetMeasure measure, double cost) {
  switch (measure) {
    case BudgetMeasure::flops:
      return count_text(cost, "multiply-adds");
    case BudgetMeasure::params:
      return count_text(cost, "parameters");
    case BudgetMeasure::memory:
      return bytes_text(cost);
    case BudgetMeasure::latency:
      return cost >= 1 ? fmt::format("{:.3g} s", cost) : fmt::format("{:.4g} ms", 1e3 * cost);
  }
  fail("there is no measure number {}", static_cast<int>(measure));
}

}  // namespace secateur
