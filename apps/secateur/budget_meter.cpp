#include "secateur/budget_meter.h"

#include <fmt/format.h>

#include <vector>

#include "secateur/advice.h"
#include "secateur/cache.h"
#include "secateur/core/error.h"
#include "secateur/runtime/step_memory.h"
#include "secateur/text.h"

namespace secateur::app {

namespace {

// Of the pruned network and of the unpruned one, at the end: seconds each, in so many turns.
constexpr double kMeasuredSeconds = 0.5;
constexpr int kTurns = 5;

}  // namespace

std::int64_t inference_bytes(const Graph& graph, Session& session, std::int64_t batch) {
  return step_memory(graph, session.stream(),
                     {.batch = batch, .precision = session.precision(), .training = false, .frozen = true})
      .total();
}

BudgetMeter::BudgetMeter(const PruneOptions& options, const Graph& base, Session& session,
                         const std::filesystem::path& run_file, Progress& progress)
    : options_(options), session_(session), progress_(progress) {
  if (options.width.mode != WidthMode::target || options.budget.measure != BudgetMeasure::latency) return;
  require(session.communicator() == nullptr,
          "a budget of latency is for one process: each of several would measure times of its own and plan "
          "by them; measure with one, and prune the others' way by --flops");
  table_ = latency_table(base, session,
                         {.batch = options.budget.batch,
                          .granule = options.width.round_to,
                          .cache = cache_folder(),
                          .run_file = run_file},
                         progress);
  unpruned_ = base;
  const LayerTime& whole = table_->model.whole();
  progress.say(fmt::format(
      "latency at batch {}: {} unpruned (quartiles within {}); the sum of its layers is multiplied by {:.3f}",
      options.budget.batch, cost_text(BudgetMeasure::latency, whole.seconds), percent(whole.spread, 1),
      table_->model.factor()));
  if (const std::string text = advice_on_layer_times(table_->model.factor(), table_->file); !text.empty()) {
    progress.say(text);
  }
}

CostOfGraph BudgetMeter::cost() {
  if (options_.width.mode != WidthMode::target) return {};
  if (options_.budget.measure == BudgetMeasure::memory) {
    return [this](const Graph& graph) {
      return static_cast<double>(inference_bytes(graph, session_, options_.budget.batch));
    };
  }
  if (table_) return [this](const Graph& graph) { return table_->model.seconds(graph); };
  return {};
}

void BudgetMeter::conclude(const LoopResult& result, Model& model, EventSink& log) {
  if (!result.budget) return;
  const BudgetMeasure measure = options_.budget.measure;
  LogFields fields{{"measure", std::string(option_name(measure))},
                   {"budget", result.budget->budget},
                   {"cost", result.budget->cost},
                   {"unpruned", result.cost_start.budgeted},
                   {"met", result.budget->met},
                   {"close", result.budget->close}};
  std::optional<Measured> measured;
  if (table_) {
    measured = time_in_turns(model);
    const TimingConditions& conditions = table_->times.conditions();
    fields.insert(fields.end(), {{"batch", options_.budget.batch},
                                 {"measured", measured->pruned.seconds},
                                 {"measured_spread", measured->pruned.spread},
                                 {"measured_samples", measured->pruned.samples},
                                 {"measured_unpruned", measured->unpruned.seconds},
                                 {"measured_unpruned_spread", measured->unpruned.spread},
                                 {"unpruned_spread", table_->model.whole().spread},
                                 {"factor", table_->model.factor()},
                                 {"table_device", conditions.device},
                                 {"table_libraries", conditions.libraries}});
  } else if (measure == BudgetMeasure::memory) {
    fields.emplace_back("batch", options_.budget.batch);
  }
  log.write("budget", fields);
  progress_.say(text_of(result, measured));
}

BudgetMeter::Measured BudgetMeter::time_in_turns(Model& pruned) {
  const TimerOptions options{.batch = options_.budget.batch,
                             .precision = session_.precision(),
                             .seconds = kMeasuredSeconds / kTurns};
  Model unpruned(*unpruned_, session_.device());
  unpruned.initialize(1, session_.stream());
  std::vector<double> of_pruned;
  std::vector<double> of_unpruned;
  const auto take = [&](Model& model, std::vector<double>& samples) {
    const std::vector<double> more =
        samples_of_inference(model, session_.arena(), session_.stream(), options);
    samples.insert(samples.end(), more.begin(), more.end());
  };
  for (int turn = 0; turn < kTurns; ++turn) {
    take(pruned, of_pruned);
    take(unpruned, of_unpruned);
  }
  return {summary_of(std::move(of_pruned)), summary_of(std::move(of_unpruned))};
}

std::string BudgetMeter::text_of(const LoopResult& result, const std::optional<Measured>& measured) const {
  const BudgetMeasure measure = options_.budget.measure;
  const bool counted = measure == BudgetMeasure::flops || measure == BudgetMeasure::params;
  const auto shown = [&](double cost) {
    return counted ? grouped(static_cast<std::int64_t>(cost)) : cost_text(measure, cost);
  };
  std::string text = fmt::format("budget: {} of {} allowed ({})", shown(result.budget->cost),
                                 shown(result.budget->budget), result.budget->met ? "met" : "NOT met");
  if (!counted) text += fmt::format(", at batch {}", options_.budget.batch);
  if (measured) {
    const double before = result.cost_start.budgeted;
    text += fmt::format("\nforetold {} from {} unpruned ({}); measured {} from {} in turns ({})",
                        shown(result.budget->cost), shown(before), change_text(before, result.budget->cost),
                        shown(measured->pruned.seconds), shown(measured->unpruned.seconds),
                        change_text(measured->unpruned.seconds, measured->pruned.seconds));
  }
  return text;
}

}  // namespace secateur::app
