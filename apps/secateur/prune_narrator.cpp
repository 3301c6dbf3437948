#include "secateur/prune_narrator.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "secateur/advice.h"
#include "secateur/prune/cost_measure.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

const LogValue* field(const LogFields& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &std::pair<std::string, LogValue>::first);
  return found == fields.end() ? nullptr : &found->second;
}

double number(const LogFields& fields, std::string_view name) {
  const LogValue* value = field(fields, name);
  if (value == nullptr) return 0;
  if (const auto* integer = std::get_if<std::int64_t>(value)) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(value)) return *real;
  return 0;
}

std::int64_t integer(const LogFields& fields, std::string_view name) {
  return static_cast<std::int64_t>(number(fields, name));
}

std::string text(const LogFields& fields, std::string_view name) {
  const LogValue* value = field(fields, name);
  const auto* found = value == nullptr ? nullptr : std::get_if<std::string>(value);
  return found == nullptr ? "" : *found;
}

template <class T>
const std::vector<T>& list(const LogFields& fields, std::string_view name) {
  static const std::vector<T> none;
  const LogValue* value = field(fields, name);
  const auto* found = value == nullptr ? nullptr : std::get_if<std::vector<T>>(value);
  return found == nullptr ? none : *found;
}

// The round's plan, layer by layer, before it is carried out.
std::string plan_text(const LogFields& fields) {
  const auto& names = list<std::string>(fields, "spaces");
  const auto& before = list<std::int64_t>(fields, "widths_before");
  const auto& after = list<std::int64_t>(fields, "widths");
  const auto& rates = list<double>(fields, "rates");
  std::vector<std::vector<std::string>> rows{{"layer", "channels", "kept", "rate"}};
  for (std::size_t i = 0; i < names.size(); ++i) {
    rows.push_back({names[i], grouped(before[i]), grouped(after[i]), percent(rates[i], 1)});
  }
  const auto row = [&](const char* name, const char* from, const char* to) {
    const double first = number(fields, from);
    const double second = number(fields, to);
    rows.push_back({name, scaled(first), scaled(second), change_text(first, second)});
  };
  row("parameters", "parameters_before", "parameters");
  row("multiply-adds", "macs_before", "macs");
  return table_text(rows);
}

}  // namespace

void PruneNarrator::advise(const std::string& advice) {
  if (!advice.empty()) progress_.say(advice);
}

// The budget's step is looked at before the first removal and again where a round was skipped, which leaves
// more to the others.
void PruneNarrator::advise_on_budget(std::int64_t rounds_left) {
  if (options_.width.mode != WidthMode::target) return;
  advise(advice_on_budget(cost_, budget_, rounds_left / options_.frequency));
}

void PruneNarrator::write(std::string_view event, const LogFields& fields) {
  const std::int64_t round = integer(fields, "round");
  if (event == "prune_start") {
    budget_ = number(fields, "budget");
    cost_ = number(fields, "budget_cost");
    advise(advice_on_validation(number(fields, "accuracy"), integer(fields, "samples"), options_.tau));
    if (options_.width.mode == WidthMode::target) {
      const auto shown = [&](const char* name) {
        return cost_text(options_.budget.measure, number(fields, name));
      };
      progress_.say(fmt::format("budget: {} of {}; the least widths have {}", shown("budget"),
                                shown("budget_base"), shown("budget_lowest")));
    }
    advise_on_budget(options_.rounds);
  } else if (event == "round_end") {
    cost_ = number(fields, "budget_cost");
    if (budget_ > 0 && text(fields, "outcome") == "skipped") advise_on_budget(options_.rounds - round);
  }
  if (event == "round_start") {
    progress_.begin_phase(fmt::format("round {} of {}", round, options_.rounds),
                          options_.train_epochs + options_.finetune_epochs);
  } else if (event == "removal") {
    progress_.say(fmt::format("round {}: removed {} channels; {} parameters, {} multiply-adds left", round,
                              integer(fields, "channels"), grouped(integer(fields, "parameters")),
                              scaled(number(fields, "macs"))));
  } else if (event == "plan") {
    progress_.say(fmt::format("round {}: the plan\n{}", round, plan_text(fields)));
    if (const std::string why = text(fields, "removes_nothing"); !why.empty()) {
      progress_.say(fmt::format("warning: round {}: nothing is removed: {}", round, why));
    }
  } else if (event == "evaluation") {
    progress_.say(
        fmt::format("round {}: validation accuracy {}", round, percent(number(fields, "accuracy"))));
  } else if (event == "mask") {
    progress_.say(fmt::format("round {}: {} of {} filters are masked", round, integer(fields, "channels"),
                              integer(fields, "channels_to_remove")));
  } else if (event == "candidate") {
    progress_.say(fmt::format("round {}: a candidate of {} multiply-adds: {}, the best so far {}", round,
                              scaled(number(fields, "macs")), percent(number(fields, "accuracy")),
                              percent(number(fields, "best"))));
  } else if (event == "fallback_start") {
    progress_.begin_phase(fmt::format("fallback of round {}", round), options_.fallback.epochs);
    progress_.say(
        fmt::format("round {}: accuracy fell by more than {}; fallback", round, percent(options_.tau, 1)));
  } else if (event == "rollback") {
    progress_.say(fmt::format("round {}: back to the network before the removal", round));
  } else if (event == "halving") {
    progress_.say(fmt::format("round {}: rates halved ({} of {})", round, integer(fields, "halvings"),
                              options_.fallback.max_halvings));
    progress_.begin_phase(fmt::format("round {} of {}, again", round, options_.rounds),
                          options_.finetune_epochs);
  } else if (event == "skip") {
    progress_.say(fmt::format("round {}: skipped: {}", round, text(fields, "reason")));
  } else if (event.ends_with("epoch")) {
    progress_.end_epoch();
  }
}

}  // namespace secateur::app
