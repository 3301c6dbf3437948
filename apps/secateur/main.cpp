// The program `secateur`: reads the command line, runs one word, prints errors for people.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>

#include "experiments/command.h"
#include "experiments/sensitivity.h"
#include "secateur/bench_words.h"
#include "secateur/called_as.h"
#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/core/log.h"
#include "secateur/data_words.h"
#include "secateur/interchange_words.h"
#include "secateur/joined_report.h"
#include "secateur/manual.h"
#include "secateur/option_flags.h"
#include "secateur/processes.h"
#include "secateur/progress.h"
#include "secateur/run_lifecycle.h"
#include "secateur/usage.h"
#include "secateur/watch.h"

namespace secateur::app {
namespace {

constexpr const char* kDescription =
    "Secateur trains, prunes and deploys convolutional networks.\n"
    "\n"
    "  secateur demo                                      train, prune and fine-tune a small network; make a "
    "report\n"
    "  secateur train --model resnet20 --data cifar10     train a network\n"
    "  secateur prune --weights base.h5 --budget 0.5      prune it to half its multiply-adds\n"
    "  secateur inspect runs/x/model.h5                   what is left of it\n"
    "\n"
    "Options come from a recipe (--recipe FILE, TOML) and from flags, which win. Every flag is a key of the "
    "recipe.";

// The command line, word by word. Each word stores what to run; main runs it once everything was parsed.
class CommandLine {
 public:
  CommandLine()
      : app_(as_called(kDescription), called_as()),
        interchange_(app_, options_, [this](std::function<int()> action) { action_ = std::move(action); }),
        data_(app_, options_, [this](std::function<int()> action) { action_ = std::move(action); }),
        bench_(app_, options_, [this](std::function<int()> action) { action_ = std::move(action); }) {
    app_.require_subcommand(1);
    add_demo();
    add_train();
    add_prune();
    add_eval();
    add_inspect();
    add_run();
    add_sensitivity();
    add_report();
    add_watch();
    add_plan();
    add_doctor();
    add_selftest();
    add_plain("version", "Show the version of this build", [] { return run_version(); });
    app_.add_flag(
        "--check", check_,
        "Before a word: read its command line and recipe, say what is wrong with them, and do nothing");
    add_manual(app_);
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return report_usage(app_, error, argc, argv);
    }
    if (!check_) return action_();
    for (const auto& flags : flags_) {
      if (flags->in_use()) flags->apply();
    }
    interchange_.check();
    data_.check();
    bench_.check();
    return 0;
  }

 private:
  CLI::App& word(const char* name, const char* help) { return *app_.add_subcommand(name, help); }

  OptionFlags& flags_of(CLI::App& command, Sections sections) {
    flags_.push_back(std::make_unique<OptionFlags>(command, options_, sections));
    return *flags_.back();
  }

  void add_plain(const char* name, const char* help, std::function<int()> action) {
    word(name, help).callback([this, action = std::move(action)] { action_ = action; });
  }

  void add_demo() {
    CLI::App& command =
        word("demo", "Train, prune and fine-tune a small network, and report before and after");
    OptionFlags& flags = flags_of(command, {.model = true, .data = true, .train = true, .prune = true});
    command.callback([this, &flags] {
      action_ = [this, &flags] {
        flags.apply();
        return run_demo(options_, flags);
      };
    });
  }

  void add_train() {
    CLI::App& command = word("train", "Train a network from scratch, or go on with --resume");
    OptionFlags& flags = flags_of(command, {.model = true, .data = true, .train = true});
    command.add_flag("--resume", resume_, "Go on from the last checkpoint in --out");
    command.callback([this, &flags] {
      action_ = [this, &flags] {
        flags.apply();
        const RunFolder folder = begin_run(
            options_, flags, resume_, fmt::format("runs/{}-{}", options_.model.name, options_.data.name));
        return run_train(options_, flags.toml(), folder, resume_);
      };
    });
  }

  void add_prune() {
    CLI::App& command = word("prune", "Prune a trained network in rounds, fine-tuning after each");
    OptionFlags& flags = flags_of(command, {.data = true, .train = true, .prune = true});
    command.add_option("--weights", prune_.weights, "The trained network to prune")->type_name("FILE");
    command.add_flag("--dry-run", dry_run_, "Print the first round's plan and stop");
    command.add_flag("--resume", prune_.resume, "Go on from the last checkpoint in --out");
    command.callback([this, &flags] {
      action_ = [this, &flags] {
        flags.apply();
        if (dry_run_) {
          complete_prune_options(options_, flags);
          return run_prune_preview(options_, flags.toml(), prune_);
        }
        const RunFolder folder = begin_run(options_, flags, prune_.resume, "runs/pruned");
        complete_prune_options(options_, flags);
        return run_prune(options_, flags.toml(), folder, prune_);
      };
    });
  }

  void add_eval() {
    CLI::App& command = word("eval", "Measure the accuracy of a stored network");
    OptionFlags& flags = flags_of(command, {.data = true, .train = true});
    command.add_option("weights", weights_, "The network's file")->required()->type_name("FILE");
    command.add_option("--part", part_, "test or validation [test]");
    command.add_flag("--json", json_, "Print JSON");
    command.callback([this, &flags] {
      action_ = [this, &flags] {
        flags.apply();
        return run_eval(options_, weights_, part_, json_);
      };
    });
  }

  void add_report() {
    CLI::App& command = word("report", "Join several runs into one page");
    command.add_option("folders", report_folders_, "Folders of runs, or that hold runs")
        ->required()
        ->type_name("DIR");
    command.add_option("--out", report_out_, "The page to write [report.html]")->type_name("FILE");
    command.callback([this] { action_ = [this] { return run_report(report_folders_, report_out_); }; });
  }

  void add_watch() {
    CLI::App& command = word("watch", "Show a running job: epochs, speed, time left, rounds");
    command.add_option("folder", watched_, "The run's folder (--out)")->required()->type_name("DIR");
    command.add_flag("--once", watch_once_, "Show it as it is and stop");
    command.callback([this] { action_ = [this] { return run_watch(watched_, watch_once_); }; });
  }

  void add_sensitivity() {
    CLI::App& command = word("sensitivity", "Measure what each layer tolerates, and write rates for prune");
    OptionFlags& flags = flags_of(command, {.data = true, .train = true, .prune = true});
    command.add_option("weights", sensitivity_.weights, "The trained network's file")
        ->required()
        ->type_name("FILE");
    command.add_option("--fractions", sensitivity_.fractions, "Parts of a layer to take out [0.1 ... 0.5]");
    command.add_option("--tolerance", sensitivity_.tolerance, "Accuracy that may be lost, a fraction [0.02]");
    command.add_option("--images", sensitivity_.images, "Validation images to measure on, 0 for all [0]");
    command.callback([this, &flags] {
      action_ = [this, &flags] {
        flags.apply();
        return run_sensitivity(options_, sensitivity_);
      };
    });
  }

  void add_inspect() {
    CLI::App& command = word("inspect", "Show layers, widths, parameters and multiply-adds");
    OptionFlags& flags = flags_of(command, {.model = true});
    command.add_option("target", inspect_.target,
                       "A file, or a network's name; without it, the networks are listed");
    command.add_flag("--json", inspect_.json, "Print JSON");
    command.add_flag("--verify", inspect_.verify, "Compare the network masked with the network cut");
    command.add_option("--base", inspect_.base, "With --verify: the unpruned network's file")
        ->type_name("FILE");
    command.callback([this, &flags] {
      action_ = [this, &flags] {
        flags.apply();
        return run_inspect(options_, inspect_);
      };
    });
  }

  void add_plan() {
    CLI::App& command =
        word("plan", "Plan a network for a GPU that need not be there; without --gpu, list them");
    OptionFlags& flags = flags_of(command, {.model = true});
    command.add_option("target", plan_.target, "A file of weights, or a network's name");
    command.add_option("--gpu", plan_.gpu, "A name (h200, rtx3090, ...) or a description in JSON");
    command.add_option("--batch", plan_.batch, "Images of a step [128]");
    command.add_flag("--inference", plan_.inference, "Plan inference, not a training step");
    command.add_flag("--json", plan_.json, "Print JSON");
    command.callback([this, &flags] {
      action_ = [this, &flags] {
        flags.apply();
        return run_plan(options_, plan_);
      };
    });
  }

  void add_selftest() {
    CLI::App& selftest = word("selftest", "Check every op, whole networks and pruning on a device");
    selftest.add_option("--device", selftest_.device, "cpu or cuda [cpu]");
    selftest.add_option("--filter", selftest_.filter, "Only checks whose part/name holds this");
    selftest.add_flag("--quick", selftest_.quick, "Without whole networks at their real size");
    selftest.add_option("--json", selftest_.json, "Write every check's result to this file");
    selftest.callback([this] { action_ = [this] { return run_selftest(selftest_); }; });
  }

  void add_doctor() {
    CLI::App& command = word("doctor", "Show what was found on this machine");
    command.add_flag("--describe-gpu", describe_gpu_,
                     "Print the GPU's description as JSON, for secateur plan --gpu FILE");
    command.callback(
        [this] { action_ = [this] { return describe_gpu_ ? run_describe_gpu() : run_doctor(); }; });
  }

  void add_run() {
    CLI::App& command = word("run", "Run an experiment of the paper; without a name, list them");
    OptionFlags& flags = flags_of(command, {.model = true, .data = true, .train = true, .prune = true});
    command.add_option("name", experiment_.name, "table2, compare, ...");
    command.add_flag("--smoke", experiment_.smoke, "Every step in seconds; the figures mean nothing");
    command.add_flag("--quick", experiment_.quick, "A small network, minutes on two cores");
    command.add_option("--seeds", experiment_.seeds, "Runs of each point [3 at full size, else 1]");
    command.add_option("--only", experiment_.only, "Only the runs whose names match (* and ?)");
    command.callback([this, &flags] {
      action_ = [this, &flags] {
        flags.apply();
        return run_experiment(options_, flags, experiment_);
      };
    });
  }

  CLI::App app_;
  RunOptions options_;
  InterchangeWords interchange_;
  DataWords data_;
  BenchWords bench_;
  std::vector<std::unique_ptr<OptionFlags>> flags_;
  std::function<int()> action_;
  PruneArguments prune_;
  InspectArguments inspect_;
  PlanArguments plan_;
  bool describe_gpu_ = false;
  std::filesystem::path weights_;
  ExperimentArguments experiment_;
  SelftestArguments selftest_;
  SensitivityArguments sensitivity_;
  std::vector<std::filesystem::path> report_folders_;
  std::filesystem::path report_out_ = "report.html";
  std::filesystem::path watched_;
  bool watch_once_ = false;
  std::string part_ = "test";
  bool check_ = false;
  bool resume_ = false;
  bool dry_run_ = false;
  bool json_ = false;
};

}  // namespace
}  // namespace secateur::app

int main(int argc, char** argv) {
  try {
    secateur::app::install_interrupt_handler();
    secateur::set_log_callback([](std::string_view line) {
      fmt::print(stderr, "secateur: {}{}\n", secateur::app::rank_prefix(), line);
    });
    return secateur::app::CommandLine().run(argc, argv);
  } catch (const secateur::LostProcessError& error) {
    fmt::print(stderr,
               "secateur: {}error: {}\nwhat was done up to the last checkpoint is kept: start all processes "
               "again with --resume\n",
               secateur::app::rank_prefix(), error.what());
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "secateur: {}error: {}\n", secateur::app::rank_prefix(), error.what());
    return 1;
  }
}
