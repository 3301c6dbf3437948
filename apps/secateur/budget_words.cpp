#include "secateur/budget_words.h"

#include <array>
#include <charconv>
#include <cmath>
#include <span>
#include <string_view>

#include "secateur/core/error.h"
#include "secateur/prune/cost_measure.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

struct Unit {
  std::string_view name;
  double value;
};

std::span<const Unit> units_of(BudgetMeasure measure) {
  static constexpr std::array<Unit, 3> kCounts{{{"k", 1e3}, {"M", 1e6}, {"G", 1e9}}};
  static constexpr std::array<Unit, 7> kBytes{{{"KiB", 1024.0},
                                               {"MiB", 1048576.0},
                                               {"GiB", 1073741824.0},
                                               {"kB", 1e3},
                                               {"MB", 1e6},
                                               {"GB", 1e9},
                                               {"B", 1.0}}};
  static constexpr std::array<Unit, 3> kTimes{{{"us", 1e-6}, {"ms", 1e-3}, {"s", 1.0}}};
  switch (measure) {
    case BudgetMeasure::memory:
      return kBytes;
    case BudgetMeasure::latency:
      return kTimes;
    case BudgetMeasure::flops:
    case BudgetMeasure::params:
      break;
  }
  return kCounts;
}

bool takes_batch(BudgetMeasure measure) {
  return measure == BudgetMeasure::memory || measure == BudgetMeasure::latency;
}

std::string unit_names(BudgetMeasure measure) {
  std::vector<std::string_view> names;
  for (const Unit& unit : units_of(measure)) names.push_back(unit.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

[[noreturn]] void refuse(BudgetMeasure measure, const std::string& word) {
  fail("--{} takes {} (units: {}), for example {}; got '{}'", option_name(measure), budget_form(measure),
       unit_names(measure),
       measure == BudgetMeasure::latency  ? "0.5, 1.5ms@256"
       : measure == BudgetMeasure::memory ? "0.5, 12MiB@256"
                                          : "0.5, 20M",
       word);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> budget_keys(BudgetMeasure measure, const std::string& word) {
  const std::size_t sign = word.find('@');
  const std::string quantity = word.substr(0, sign);
  double number = 0;
  const auto [end, error] = std::from_chars(quantity.data(), quantity.data() + quantity.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number <= 0) refuse(measure, word);
  const std::string_view unit(end, static_cast<std::size_t>(quantity.data() + quantity.size() - end));

  std::vector<std::pair<std::string, std::string>> keys{
      {"prune.budget-measure", std::string(option_name(measure))}};
  if (unit.empty()) {
    if (number >= 1) refuse(measure, word);
    keys.emplace_back("prune.budget", fmt::format("{}", number));
    keys.emplace_back("prune.budget-amount", "0");
  } else {
    double value = 0;
    for (const Unit& known : units_of(measure)) {
      if (known.name == unit) value = known.value;
    }
    if (value == 0) refuse(measure, word);
    keys.emplace_back("prune.budget-amount", fmt::format("{}", number * value));
  }
  if (sign == std::string::npos) return keys;
  const std::string batch = word.substr(sign + 1);
  std::int64_t images = 0;
  const auto [last, wrong] = std::from_chars(batch.data(), batch.data() + batch.size(), images);
  if (!takes_batch(measure) || wrong != std::errc() || last != batch.data() + batch.size() || images < 1) {
    refuse(measure, word);
  }
  keys.emplace_back("prune.budget-batch", fmt::format("{}", images));
  return keys;
}

std::string budget_form(BudgetMeasure measure) {
  switch (measure) {
    case BudgetMeasure::memory:
      return "PART or SIZE[@BATCH]";
    case BudgetMeasure::latency:
      return "PART or TIME[@BATCH]";
    case BudgetMeasure::flops:
    case BudgetMeasure::params:
      break;
  }
  return "PART or COUNT";
}

std::string budget_help(BudgetMeasure measure) {
  switch (measure) {
    case BudgetMeasure::flops:
      return "A budget of multiply-adds: --budget-measure flops, and --budget or --budget-amount";
    case BudgetMeasure::params:
      return "A budget of parameters, likewise";
    case BudgetMeasure::memory:
      return "A budget of an inference's memory: parameters and the planned peak";
    case BudgetMeasure::latency:
      break;
  }
  return "A budget of an inference's time on this device, by measured layers (docs/user-guide.md)";
}

std::string budget_text(const BudgetOptions& budget) {
  const auto whole = [&]() -> const char* {
    switch (budget.measure) {
      case BudgetMeasure::flops:
        return "multiply-adds";
      case BudgetMeasure::params:
        return "parameters";
      case BudgetMeasure::memory:
        return "memory";
      case BudgetMeasure::latency:
        break;
    }
    return "time";
  };
  const std::string what = budget.amount > 0
                               ? cost_text(budget.measure, budget.amount)
                               : fmt::format("{} of its {}", percent(budget.fraction, 0), whole());
  return takes_batch(budget.measure) ? fmt::format("{} at batch {}", what, budget.batch) : what;
}

}  // namespace secateur::app
