// A pruning loop over scripted accuracies: nothing is trained.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "secateur/prune/pruning_loop.h"

namespace secateur {

inline constexpr std::int64_t kWidth = 64;

// Two layers whose scores rise with the index; evaluation number i gives accuracy number i of the script, the
// last one for good. Everything it holds can be saved, as a program would save model and trainer.
class ScriptedBackend final : public PruningBackend {
 public:
  explicit ScriptedBackend(std::vector<double> script) : script_(std::move(script)) {}

  std::vector<SpaceScores> spaces() override {
    std::vector<SpaceScores> result;
    for (const std::int64_t width : widths)
      result.push_back({fmt::format("conv{}", result.size()), {}, width, 1, {}, {}, {}});
    return result;
  }
  std::vector<SpaceScores> score(const CriterionContext& context) override {
    scored.push_back(context);
    std::vector<SpaceScores> result = spaces();
    for (SpaceScores& space : result) {
      for (std::int64_t i = 0; i < space.width; ++i) {
        space.scores.push_back(static_cast<double>((i + shift * epochs) % space.width));
      }
      for (std::int64_t i = 0; i + 1 < space.width; ++i) {
        const auto place = std::ranges::find(space.scores, static_cast<double>(i));
        space.order.push_back(place - space.scores.begin());
        space.order_scores.push_back(static_cast<double>(i));
      }
    }
    return result;
  }
  EpochReport train_epoch(const LrPhase& phase, std::int64_t phase_epoch) override {
    rates.push_back(phase.rate(static_cast<double>(phase_epoch)));
    return {
        .epoch = epochs++, .samples = 1, .loss = 1, .top1 = 0.5, .learning_rate = rates.back(), .seconds = 1};
  }
  Evaluation evaluate() override {
    const auto i = std::min(static_cast<std::size_t>(evaluations++), script_.size() - 1);
    return {.samples = 100, .loss = 1, .top1 = script_[i], .top5 = 1};
  }
  void apply(const PruningPlan& plan) override {
    applied.push_back(plan);
    for (const KeepChannels& edit : plan.edits) {
      std::int64_t& width = widths.at(edit.space == "conv0" ? 0 : 1);
      EXPECT_EQ(width, edit.width);
      width = static_cast<std::int64_t>(edit.kept.size());
    }
  }
  void zero(const PruningPlan& plan) override { zeroed.push_back(plan); }
  void reinitialize() override { ++reinitialized; }
  StateTree snapshot() override {
    StateTree tree;
    tree.set("net/widths", widths);
    return tree;
  }
  void rollback(const StateTree& tree) override {
    widths = tree.get<std::vector<std::int64_t>>("net/widths");
  }
  NetworkCost cost() override { return cost_with(widths); }
  NetworkCost cost_with(const std::vector<std::int64_t>& w) override {
    return {w[0] + w[1], w[0] * w[1], budgeted(w)};
  }
  NetworkCost base_cost() override { return cost_with({kWidth, kWidth}); }

  void save(StateWriter w) const override {
    w.set("widths", widths);
    w.set("evaluations", evaluations);
    w.set("epochs", epochs);
  }
  void restore(const StateReader& r) override {
    widths = r.get<std::vector<std::int64_t>>("widths");
    evaluations = r.get<std::int64_t>("evaluations");
    epochs = r.get<std::int64_t>("epochs");
  }

  std::vector<std::int64_t> widths{kWidth, kWidth};
  std::int64_t evaluations = 0;
  std::int64_t epochs = 0;
  std::vector<double> rates;  // learning rate of each epoch
  std::vector<CriterionContext> scored;
  std::int64_t shift = 0;  // by which an epoch of training turns the scores round
  std::vector<PruningPlan> zeroed;
  std::vector<PruningPlan> applied;
  std::int64_t reinitialized = 0;
  // What a budget counts: multiply-adds, unless a test has a measure of its own.
  std::function<double(const std::vector<std::int64_t>&)> budgeted = [](const std::vector<std::int64_t>& w) {
    return static_cast<double>(w[0] * w[1]);
  };

 private:
  std::vector<double> script_;
};

class EventList final : public EventSink {
 public:
  void write(std::string_view event, const LogFields& /*fields*/) override { names.emplace_back(event); }
  [[nodiscard]] std::int64_t count(std::string_view name) const { return std::ranges::count(names, name); }
  std::vector<std::string> names;
};

// A quarter of every layer in each of three rounds, one epoch before and two after a removal.
inline PruneOptions options_of_test() {
  PruneOptions options;
  options.rounds = 3;
  options.rate = 0.25;
  options.rate_policy = "uniform";
  options.train_epochs = 1;
  options.finetune_epochs = 2;
  options.fallback.epochs = 2;
  options.fallback.max_halvings = 2;
  return options;
}

struct ScriptedRun {
  ScriptedBackend backend;
  EventList events;
  PruningLoop loop;
  ScriptedRun(const PruneOptions& options, std::vector<double> script)
      : backend(std::move(script)), loop(options, backend, events) {}
};

}  // namespace secateur
