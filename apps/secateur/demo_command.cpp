// secateur demo: trains a small network, prunes it to half its multiply-adds in several rounds with
// fine-tuning, and reports before and after.
#include <fmt/format.h>

#include <chrono>

#include "secateur/budget_words.h"
#include "secateur/called_as.h"
#include "secateur/commands.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

// What fits into three minutes on two cores, unless the user says otherwise.
void fill_in_demo_settings(RunOptions& options, const OptionFlags& flags) {
  const auto preset = [&](const char* key, auto& field, auto value) {
    if (!flags.given(key)) field = value;
  };
  preset("model.name", options.model.name, "resnet8");
  preset("data.validation", options.data.validation, std::int64_t{1000});
  preset("data.synthetic-train", options.data.synthetic_train, std::int64_t{6000});
  preset("data.synthetic-test", options.data.synthetic_test, std::int64_t{2000});
  if (options.data.name != "synthetic")
    preset("data.train-limit", options.data.train_limit, std::int64_t{6000});
  preset("train.epochs", options.train.epochs, std::int64_t{12});
  preset("train.learning-rate", options.train.learning_rate, 0.2);
  preset("train.nesterov", options.train.nesterov, true);
  preset("train.schedule", options.train.schedule, "onecycle");
  preset("train.batch", options.train.batch, std::int64_t{64});
  preset("prune.rounds", options.prune.rounds, std::int64_t{4});
  preset("prune.train-epochs", options.prune.train_epochs, std::int64_t{0});
  preset("prune.finetune-epochs", options.prune.finetune_epochs, std::int64_t{3});
  preset("prune.width-mode", options.prune.width.mode, WidthMode::target);
  preset("prune.learning-rate", options.prune.learning_rate, 0.1);
  // A round that is taken back, the last above all, can leave the budget to nobody, and the demo without an
  // end.
  preset("prune.fallback", options.prune.fallback.enabled, false);
  // The network is narrow: in steps of 8 a budget is missed by far.
  preset("prune.round-to", options.prune.width.round_to, std::int64_t{4});
  preset("prune.min-channels", options.prune.width.min_channels, std::int64_t{4});
  preset("run.out", options.run.out, "runs/demo");
}

}  // namespace

int run_demo(RunOptions& options, OptionFlags& flags) {
  const auto start = std::chrono::steady_clock::now();
  if (!options.data.directory.empty() && !flags.given("data.name")) options.data.name = "cifar10";
  complete_prune_options(options, flags);
  fill_in_demo_settings(options, flags);
  const std::filesystem::path folder = options.run.out;
  // A demo starts afresh: what an earlier one left is replaced.
  for (const char* part : {"base", "pruned"}) std::filesystem::remove_all(folder / part);

  fmt::print("1. Training {} on {}\n", options.model.name, options.data.name);
  const RunFolder base(folder / "base", false);
  if (const int code = run_train(options, flags.toml(), base, false); code != 0) return code;

  fmt::print("\n2. Pruning it to {} in {} rounds\n", budget_text(options.prune.budget), options.prune.rounds);
  const PruneArguments arguments{.weights = base.model()};
  const RunFolder pruned(folder / "pruned", false);
  if (const int code = run_prune(options, flags.toml(), pruned, arguments); code != 0) return code;

  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  fmt::print(
      "\nDone in {0}. Open {1} in a browser. Next:\n"
      "  {2} inspect {3}             what is left, layer by layer\n"
      "  {2} inspect --verify {3}    removed equals masked\n"
      "  {2} data fetch cifar10      real data; then: {2} train --model resnet20 --data cifar10\n",
      duration_text(elapsed.count()), pruned.report().string(), called_as(), pruned.model().string());
  return 0;
}

}  // namespace secateur::app
