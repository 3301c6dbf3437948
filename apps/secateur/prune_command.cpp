// secateur prune: prunes a trained network in rounds, fine-tuning after each, or goes on with an interrupted
// run.
#include <fmt/format.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>

#include "secateur/advice.h"
#include "secateur/budget_meter.h"
#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/data/loader.h"
#include "secateur/fast_rounding.h"
#include "secateur/image_contract.h"
#include "secateur/io/checkpoint.h"
#include "secateur/measure.h"
#include "secateur/nan_guard.h"
#include "secateur/progress.h"
#include "secateur/prune/model_backend.h"
#include "secateur/prune/plan_table.h"
#include "secateur/prune/pruning_loop.h"
#include "secateur/prune_narrator.h"
#include "secateur/run_lifecycle.h"
#include "secateur/session.h"
#include "secateur/teaching.h"
#include "secateur/tensorboard.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

// The split that the run keeps to: that of the base, unless the base left no images to steer by and images
// that it has seen are to serve.
std::optional<data::TrainValidationSplit> kept_split(const LoadedModel& base, const std::string& file,
                                                     SteerBy steer_by) {
  std::optional<data::TrainValidationSplit> split = base.split();
  require(
      split.has_value() || steer_by != SteerBy::validation,
      "'{}' does not say which images it was trained on, and pruning may not be steered by images that the "
      "base has seen; --steer-by seen allows it, and the report says so",
      file);
  if (steer_by == SteerBy::seen && split && split->validation_indices().empty()) return std::nullopt;
  return split;
}

std::string steering_text(const DataOptions& options, const data::ImageSet& images) {
  switch (options.steer_by) {
    case SteerBy::validation:
      return fmt::format("steered by {} validation images that the base was not trained on",
                         grouped(images.size()));
    case SteerBy::seen:
      return fmt::format("steered by {} images that the base may have been trained on (--steer-by seen)",
                         grouped(images.size()));
    case SteerBy::test:
      return fmt::format(
          "steered by the {} test images (--steer-by test): the accuracy below is no independent "
          "measurement",
          grouped(images.size()));
  }
  fail("no such way to steer");
}

// One pruning run: everything that a checkpoint restores, and the data.
class PruneRun {
 public:
  PruneRun(const RunOptions& options, const std::string& toml, const RunFolder& folder,
           const PruneArguments& arguments)
      : options_(options),
        toml_(toml),
        folder_(folder),
        weights_(arguments.weights),
        session_(options.run, folder.processes()),
        loaded_(arguments.resume ? load_model(folder.checkpoint(), session_, Averages::keep)
                                 : load_model(arguments.weights, session_)),
        base_(Graph::load(StateReader(loaded_.tree).scope(arguments.resume ? "base_graph" : "model/graph"))),
        data_(open_data(options, kept_split(loaded_, arguments.weights.string(), options.data.steer_by))),
        training_source_(data_.training_source(options, session_.stream())),
        steering_set_(data_.steering_set(options.data.steer_by)),
        steering_source_(data_.evaluation_source(steering_set_)),
        sample_source_(data_.sample_source(options_.run.seed)),
        teacher_(open_teacher(options.train, session_, arguments.resume ? &loaded_.tree : nullptr,
                              arguments.resume ? nullptr : &loaded_.tree)),
        trainer_(loaded_.model, session_.arena(), session_.stream(), *training_source_,
                 trainer_options(options, session_)),
        evaluator_(loaded_.model, session_.arena(), session_.stream(), options.train.eval_batch,
                   session_.precision(), session_.communicator()),
        sink_(folder.open_log()),
        log_(*sink_),
        board_(options.run.tensorboard && folder.writes() ? std::make_unique<TensorBoardLog>(folder.path())
                                                          : nullptr),
        progress_(stdout, !folder.writes()),
        nan_guard_(options.train.on_nan, log_, progress_),
        rounding_(settled_rounding(options, base_)),
        meter_(rounding_.options, base_, session_, folder.file("layer-times.json"), progress_),
        narrator_(progress_, rounding_.options),
        events_(board_ ? std::vector<EventSink*>{&log_, &narrator_, board_.get()}
                       : std::vector<EventSink*>{&log_, &narrator_}),
        backend_({loaded_.model, session_.arena(), session_.stream(), trainer_, evaluator_, *steering_source_,
                  *sample_source_, progress_, &base_, session_.communicator(), meter_.cost()},
                 rounding_.options),
        loop_(rounding_.options, backend_, events_) {
    if (teacher_ != nullptr) trainer_.teach(*teacher_);
    const StateReader reader(loaded_.tree);
    if (arguments.resume) {
      require(reader.get<std::string>("kind") == "prune", "'{}' is a checkpoint of another kind of run",
              folder.checkpoint().string());
      trainer_.restore(reader.scope("trainer"));
      loop_.restore(reader.scope("loop"));
      nan_guard_.restore(reader);
      backend_.set_learning_rate_factor(nan_guard_.learning_rate_factor());
      return;
    }
    // A base's counters go on, so that no epoch's augmentation is drawn twice.
    if (reader.contains("trainer")) trainer_.count_on_from(reader.scope("trainer"));
  }

  void print_plan() {
    if (!rounding_.text.empty()) fmt::print("{}\n", rounding_.text);
    const PruningLoop::Preview preview = loop_.preview();
    fmt::print("round 1 would remove (nothing is changed by --dry-run):\n{}",
               plan_table(loaded_.model.graph(), preview.planned, preview.scores).to_text());
  }

  void run(bool resumed) {
    announce(resumed);
    if (!resumed) {
      // Before the first checkpoint: a run that can be resumed has its measurement of the base.
      measure("before", weights_);
      save(folder_.checkpoint());
    }
    const LoopResult result = run_loop();
    log_widths();
    loaded_.model.adopt_averages(session_.stream());
    save(folder_.model());
    measure("after", folder_.model());
    if (!folder_.writes()) return;
    const RunHistory history = read_run_history(folder_.log());
    progress_.say(before_after_text(history.measured.at("before"), history.measured.at("after")));
    meter_.conclude(result, loaded_.model, log_);
    warn_of_slow_widths();
  }

 private:
  LoopResult run_loop() {
    while (true) {
      try {
        return loop_.run([this] {
          save(folder_.checkpoint());
          stop_if_asked();
        });
      } catch (const NonFiniteError& error) {
        nan_guard_.take(error);
        roll_back();
      } catch (const Interrupted&) {
        if (loop_.within_epoch()) save(folder_.checkpoint());
        throw;
      }
    }
  }

  // Between two units of work, some of which train nothing. All processes stop where one is asked to.
  void stop_if_asked() {
    const bool asked = progress_.stop_requested();
    Communicator* others = session_.communicator();
    if (others != nullptr ? others->any(asked) : asked) throw Interrupted("pruning was interrupted");
  }

  void roll_back() {
    const StateTree tree = read_checkpoint(folder_.checkpoint());
    const StateReader reader(tree);
    session_.arena().clear();
    loaded_.model = Model::load(reader.scope("model"), session_.device(), session_.stream());
    trainer_.restore(reader.scope("trainer"));
    loop_.restore(reader.scope("loop"));
    backend_.set_learning_rate_factor(nan_guard_.learning_rate_factor());
    save(folder_.checkpoint());  // with the smaller learning rate, for a resumed run
  }

  void announce(bool resumed) {
    const NetworkCost cost = backend_.cost();
    const NetworkCost base = backend_.base_cost();
    log_.write(resumed ? "resume" : "start",
               {{"command", std::string("prune")},
                {"model", loaded_.text("model_name")},
                {"data", data_.training.name()},
                {"training_images", data_.training.size()},
                {"validation_images", data_.validation ? data_.validation->size() : 0},
                {"steered_by", std::string(option_name(options_.data.steer_by))},
                {"parameters", base.parameters},
                {"macs", base.macs},
                {"device", session_.device().description()},
                {"threads", static_cast<std::int64_t>(omp_get_max_threads())},
                {"recipe", toml_}});
    progress_.say(fmt::format("{} on {}: {} parameters, {} multiply-adds; criterion {}, rates by {}",
                              loaded_.text("model_name"), data_.training.name(), grouped(cost.parameters),
                              scaled(static_cast<double>(cost.macs)), options_.prune.criterion,
                              options_.prune.rate_policy));
    progress_.say(steering_text(options_.data, steering_set_));
    if (options_.prune.train_epochs > 0 || options_.prune.finetune_epochs > 0) {
      progress_.say(memory_text(loaded_.model, trainer_));
    }
    if (const std::string text = processes_text(session_, options_.train); !text.empty()) progress_.say(text);
    if (!rounding_.text.empty()) progress_.say(rounding_.text);
    if (resumed) progress_.say(fmt::format("resuming in round {}", loop_.round()));
  }

  // By the process that writes; the others wait for it at their next exchange.
  void measure(const std::string& which, const std::filesystem::path& file) {
    if (!folder_.writes()) return;
    const auto test = data_.test_source();
    log_measured(log_, which, measure_network(loaded_.model, session_, *test, file));
  }

  // Of the device that pruned: what --round-to auto would have kept whole.
  void warn_of_slow_widths() {
    if (session_.device().kind() != DeviceKind::cpu) return;
    const std::string advice =
        advice_on_widths(slow_widths_of_host(loaded_.model.graph()), slow_widths_of_host(base_).size());
    if (!advice.empty()) progress_.say(advice);
  }

  void log_widths() {
    const ChannelSpaces before(base_);
    const ChannelSpaces after(loaded_.model.graph());
    std::vector<std::string> names;
    std::vector<std::int64_t> widths_before;
    std::vector<std::int64_t> widths_after;
    for (std::size_t s = 0; s < before.spaces().size(); ++s) {
      if (before.spaces()[s].pinned) continue;
      names.push_back(before.spaces()[s].name);
      widths_before.push_back(before.spaces()[s].width);
      widths_after.push_back(after.spaces()[s].width);
    }
    log_.write("widths", {{"layers", names}, {"before", widths_before}, {"after", widths_after}});
  }

  void save(const std::filesystem::path& file) {
    if (!folder_.writes()) return;
    StateTree tree;
    const StateWriter writer(tree);
    RunOptions provenance = options_;
    provenance.model.name = loaded_.text("model_name");
    save_provenance(writer, "prune", toml_, provenance);
    loaded_.model.save(writer.scope("model"), session_.stream());
    base_.save(writer.scope("base_graph"));
    trainer_.save(writer.scope("trainer"));
    loop_.save(writer.scope("loop"));
    data_.split.save(writer.scope("split"));
    nan_guard_.save(writer);
    contract_of(data_.training).save(writer.scope("images"));
    if (teacher_ != nullptr && file == folder_.checkpoint()) {
      save_teacher(*teacher_, writer, session_.stream());
    }
    write_checkpoint(file, tree);
  }

  const RunOptions& options_;
  std::string toml_;
  const RunFolder& folder_;
  std::filesystem::path weights_;
  Session session_;
  LoadedModel loaded_;
  Graph base_;
  RunData data_;
  std::unique_ptr<BatchSource> training_source_;
  const data::ImageSet& steering_set_;
  std::unique_ptr<BatchSource> steering_source_;
  std::unique_ptr<BatchSource> sample_source_;
  std::unique_ptr<Teacher> teacher_;  // null unless asked for
  Trainer trainer_;
  Evaluator evaluator_;
  std::unique_ptr<EventSink> sink_;
  EventSink& log_;
  std::unique_ptr<TensorBoardLog> board_;  // null unless asked for
  Progress progress_;
  NanGuard nan_guard_;
  SettledRounding rounding_;  // the pruning options with it
  BudgetMeter meter_;
  PruneNarrator narrator_;
  EventFanOut events_;
  ModelPruningBackend backend_;
  PruningLoop loop_;
};

}  // namespace

void complete_prune_options(RunOptions& options, const OptionFlags& flags) {
  options.prune.seed = options.run.seed;
  // A budget that was asked for is a budget to meet.
  const bool budget = flags.given("prune.budget") || flags.given("prune.budget-amount");
  if (budget && !flags.given("prune.width-mode")) options.prune.width.mode = WidthMode::target;
  // Widths that a processor or GPU runs fast, unless others are asked for (the paper's experiments: 1).
  WidthOptions& width = options.prune.width;
  if (!flags.given("prune.round-to")) width.round_to = 8;
  if (!flags.given("prune.min-channels")) width.min_channels = std::max<std::int64_t>(width.round_to, 1);
}

int run_prune(const RunOptions& options, const std::string& toml, const RunFolder& folder,
              const PruneArguments& arguments) {
  require(arguments.resume || !arguments.weights.empty(), "--weights names the trained network to prune");
  folder.write_recipe(toml);
  return finish_run(folder, "prune",
                    [&] { PruneRun(options, toml, folder, arguments).run(arguments.resume); });
}

int run_prune_preview(const RunOptions& options, const std::string& toml, const PruneArguments& arguments) {
  require(!arguments.weights.empty(), "--weights names the trained network to prune");
  struct Scratch {
    ~Scratch() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / fmt::format("secateur-dry-run-{}", ::getpid());
  } scratch;
  const RunFolder folder(scratch.path, false);
  PruneRun(options, toml, folder, arguments).print_plan();
  return 0;
}

}  // namespace secateur::app
