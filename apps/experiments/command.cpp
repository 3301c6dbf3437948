#include "experiments/command.h"

#include <fmt/format.h>

#include <cstdlib>

#include "experiments/archive.h"
#include "experiments/lab.h"
#include "secateur/core/error.h"
#include "secateur/train/trainer.h"

namespace secateur::app {
namespace {

using experiments::Scale;

// Sets what neither recipe nor flag gave.
class Presets {
 public:
  explicit Presets(const OptionFlags& flags) : flags_(flags) {}
  template <class Field, class Value>
  void operator()(const char* key, Field& field, Value value) const {
    if (!flags_.given(key)) field = value;
  }

 private:
  const OptionFlags& flags_;
};

void common_presets(RunOptions& o, const Presets& preset) {
  // The paper counts single channels.
  preset("prune.round-to", o.prune.width.round_to, std::int64_t{1});
  preset("prune.min-channels", o.prune.width.min_channels, std::int64_t{1});
  preset("prune.width-mode", o.prune.width.mode, WidthMode::target);
}

// Every step of an experiment in seconds; the numbers mean nothing.
void smoke_presets(RunOptions& o, const Presets& preset) {
  preset("model.name", o.model.name, "resnet8");
  preset("data.name", o.data.name, "synthetic");
  preset("data.synthetic-train", o.data.synthetic_train, std::int64_t{160});
  preset("data.synthetic-test", o.data.synthetic_test, std::int64_t{50});
  preset("data.validation", o.data.validation, std::int64_t{60});
  preset("train.epochs", o.train.epochs, std::int64_t{1});
  preset("train.batch", o.train.batch, std::int64_t{32});
  preset("train.eval-batch", o.train.eval_batch, std::int64_t{50});
  preset("prune.rounds", o.prune.rounds, std::int64_t{2});
  preset("prune.train-epochs", o.prune.train_epochs, std::int64_t{0});
  preset("prune.finetune-epochs", o.prune.finetune_epochs, std::int64_t{1});
  preset("prune.fallback", o.prune.fallback.enabled, false);
  preset("prune.sample-images", o.prune.sample_images, std::int64_t{16});
  preset("prune.sample-batch", o.prune.sample_batch, std::int64_t{16});
}

bool has_real_data(const RunOptions& o) {
  const char* variable = std::getenv("SECATEUR_DATA");
  return !o.data.directory.empty() || (variable != nullptr && *variable != '\0');
}

// What two cores do in minutes, on real images where there are some.
void quick_presets(RunOptions& o, const Presets& preset) {
  preset("model.name", o.model.name, "resnet8");
  preset("data.name", o.data.name, has_real_data(o) ? "cifar10" : "synthetic");
  preset("data.train-limit", o.data.train_limit, std::int64_t{o.data.name == "synthetic" ? 0 : 12000});
  preset("data.synthetic-train", o.data.synthetic_train, std::int64_t{7000});
  preset("data.validation", o.data.validation, std::int64_t{1000});
  preset("train.epochs", o.train.epochs, std::int64_t{8});
  preset("train.batch", o.train.batch, std::int64_t{64});
  preset("train.learning-rate", o.train.learning_rate, 0.2);
  preset("train.schedule", o.train.schedule, "onecycle");
  preset("train.nesterov", o.train.nesterov, true);
  preset("prune.rounds", o.prune.rounds, std::int64_t{3});
  preset("prune.train-epochs", o.prune.train_epochs, std::int64_t{0});
  preset("prune.finetune-epochs", o.prune.finetune_epochs, std::int64_t{1});
  preset("prune.learning-rate", o.prune.learning_rate, 0.05);
  preset("prune.fallback", o.prune.fallback.enabled, false);
}

void full_presets(RunOptions& o, const Presets& preset, const experiments::Experiment& experiment) {
  preset("model.name", o.model.name, experiment.model);
  preset("data.name", o.data.name, experiment.data);
}

std::string title_of(const experiments::Experiment& experiment, const RunOptions& o, Scale scale) {
  if (scale == Scale::smoke) return experiment.title + " (smoke test: the figures mean nothing)";
  if (scale == Scale::quick)
    return fmt::format("{} (quick stand-in: {} on {})", experiment.title, o.model.name, o.data.name);
  return fmt::format("{} ({})", experiment.title, o.data.name);
}

}  // namespace

int run_experiment(RunOptions& options, const OptionFlags& flags, const ExperimentArguments& arguments) {
  if (arguments.name.empty()) {
    for (const experiments::Experiment& e : experiments::experiments())
      fmt::print("  {:<10} {}\n             {}\n", e.name, e.title, e.description);
    return 0;
  }
  require(!(arguments.smoke && arguments.quick), "--smoke and --quick exclude each other");
  require(arguments.seeds >= 0, "--seeds is at least 1, got {}", arguments.seeds);
  const experiments::Experiment& experiment = experiments::find_experiment(arguments.name);
  const Scale scale = arguments.smoke ? Scale::smoke : arguments.quick ? Scale::quick : Scale::full;
  const Presets preset(flags);
  if (scale == Scale::smoke) smoke_presets(options, preset);
  if (scale == Scale::quick) quick_presets(options, preset);
  if (scale == Scale::full) full_presets(options, preset, experiment);
  common_presets(options, preset);
  options.prune.seed = options.run.seed;
  const char* size = scale == Scale::smoke ? "-smoke" : scale == Scale::quick ? "-quick" : "";
  const std::filesystem::path out =
      options.run.out.empty() ? fmt::format("runs/{}{}", experiment.name, size) : options.run.out;
  const std::int64_t seeds = arguments.seeds > 0 ? arguments.seeds : scale == Scale::full ? 3 : 1;

  std::string title = title_of(experiment, options, scale);
  fmt::print("{}\n", title);
  experiments::Lab lab(out);
  std::vector<experiments::Outcome> outcomes;
  experiments::Findings findings;
  try {
    if (experiment.study) {
      require(arguments.only.empty(),
              "{} is a study of one network: it has no runs for --only to choose from", experiment.name);
      findings = experiment.study({lab, options, scale, seeds});
    } else {
      outcomes =
          lab.run(experiments::select_points(experiment.points(options, scale), arguments.only), seeds);
      findings = experiment.findings(outcomes);
      if (experiment.look) experiment.look({lab, options, scale, seeds}, outcomes, findings);
    }
  } catch (const Interrupted& stopped) {
    fmt::print("{}\n", stopped.what());
    return 130;
  }
  // A table that proves little says so where nobody can overlook it.
  for (const std::string& caution : findings.cautions) title += "; " + caution;
  const bool drawn = experiments::write_archive(out, experiment, title, outcomes, findings);
  fmt::print("\n{}\n{}", title, experiments::text_of(findings.table));
  for (const std::string& note : findings.notes) fmt::print("{}\n", note);
  fmt::print("results: {}\nreport:  {}\n", (out / "results.json").string(), (out / "report.html").string());
  if (!drawn) fmt::print("figures: SVG alone; for PNG too install rsvg-convert (Debian: librsvg2-bin)\n");
  return 0;
}

}  // namespace secateur::app
