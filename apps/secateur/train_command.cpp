// secateur train: trains a network from scratch, or goes on with an interrupted run.
#include <fmt/format.h>
#include <omp.h>

#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/data/loader.h"
#include "secateur/fusion_text.h"
#include "secateur/graph/cost.h"
#include "secateur/image_contract.h"
#include "secateur/io/checkpoint.h"
#include "secateur/nan_guard.h"
#include "secateur/progress.h"
#include "secateur/run_lifecycle.h"
#include "secateur/session.h"
#include "secateur/teaching.h"
#include "secateur/tensorboard.h"
#include "secateur/text.h"
#include "secateur/train/trainer.h"

namespace secateur::app {

TrainerOptions trainer_options(const RunOptions& options, const Session& session) {
  const TrainOptions& t = options.train;
  TrainerOptions result;
  result.batch = t.batch;
  result.precision = session.precision();
  result.sgd = {t.momentum, t.weight_decay, t.nesterov, t.decay_norm_and_bias};
  result.label_smoothing = t.label_smoothing;
  result.average_decay = t.ema;
  result.resizing = {t.resize_from, t.resize_until_epoch, t.resize_step};
  result.distillation = {t.distill, t.distill_temperature};
  result.drop_last = t.drop_last;
  result.seed = options.run.seed;
  result.fuse_convolutions = fuses_convolutions(t.fuse);
  result.record = t.record;
  result.read_every = t.read_every;
  result.communicator = session.communicator();
  result.sync_batch_norm = t.sync_batch_norm;
  return result;
}

std::string memory_text(const Model& model, Trainer& trainer) {
  std::string text =
      fmt::format("memory: {} of parameters, {} of activations at batch {}", bytes_text(model.bytes()),
                  bytes_text(trainer.planned_bytes()), trainer.options().batch);
  if (const auto free = model.device().free_bytes()) {
    text += fmt::format(", {} at the peak, {} free", bytes_text(trainer.peak_bytes()), bytes_text(*free));
  }
  text += "; " + model.device().description();
  const std::string fusions = conv_fusion_text(trainer.program().conv_fusions());
  return fusions.empty() ? text : text + "\n" + fusions;
}

namespace {

// One training run: what a checkpoint restores is everything here but the data.
class TrainRun {
 public:
  TrainRun(const RunOptions& options, const std::string& toml, const RunFolder& folder, bool resume)
      : options_(options),
        toml_(toml),
        folder_(folder),
        session_(options.run, folder.processes()),
        stored_(resume ? std::optional(read_checkpoint(folder.checkpoint())) : std::nullopt),
        data_(open_data(options, stored_split())),
        source_(data_.training_source(options, session_.stream())),
        model_(stored_ ? Model::load(reader().scope("model"), session_.device(), session_.stream())
                       : Model(build_graph(options.model, data_.training), session_.device())),
        teacher_(open_teacher(options.train, session_, stored_ ? &*stored_ : nullptr, nullptr)),
        trainer_(model_, session_.arena(), session_.stream(), *source_, trainer_options(options, session_)),
        evaluator_(model_, session_.arena(), session_.stream(), options.train.eval_batch,
                   session_.precision(), session_.communicator()),
        log_(folder.open_log()),
        board_(options.run.tensorboard && folder.writes() ? std::make_unique<TensorBoardLog>(folder.path())
                                                          : nullptr),
        events_(board_ ? std::vector<EventSink*>{log_.get(), board_.get()}
                       : std::vector<EventSink*>{log_.get()}),
        progress_(stdout, !folder.writes()),
        nan_guard_(options.train.on_nan, events_, progress_) {
    if (teacher_ != nullptr) trainer_.teach(*teacher_);
    if (stored_) {
      require(reader().get<std::string>("kind") == "train", "'{}' is a checkpoint of another kind of run",
              folder.checkpoint().string());
      trainer_.restore(reader().scope("trainer"));
      nan_guard_.restore(reader());
    } else {
      model_.initialize(options.run.seed, session_.stream());
    }
  }

  void run() {
    announce();
    if (!stored_ && nan_guard_.rolls_back()) save(folder_.checkpoint());
    progress_.begin_phase("training", options_.train.epochs - trainer_.epoch());
    while (trainer_.epoch() < options_.train.epochs) {
      const LrPhase phase{find_lr_schedule(options_.train.schedule),
                          options_.train.learning_rate * nan_guard_.learning_rate_factor(),
                          static_cast<double>(options_.train.epochs), options_.train.warmup_epochs};
      try {
        finish_epoch(trainer_.run_epoch(phase, trainer_.epoch(), progress_));
      } catch (const NonFiniteError& error) {
        nan_guard_.take(error);
        roll_back();
      } catch (const Interrupted&) {
        save(folder_.checkpoint());
        throw;
      }
    }
    model_.adopt_averages(session_.stream());
    const auto test_source = data_.test_source();
    const Evaluation test = evaluator_.run(*test_source);
    save(folder_.model());
    events_.write("result", {{"part", std::string("test")},
                             {"top1", test.top1},
                             {"top5", test.top5},
                             {"loss", test.loss},
                             {"samples", test.samples}});
    progress_.say(fmt::format("test: top-1 {}, top-5 {}, loss {:.4f} on {} images", percent(test.top1),
                              percent(test.top5), test.loss, grouped(test.samples)));
  }

 private:
  void roll_back() {
    const StateTree tree = read_checkpoint(folder_.checkpoint());
    model_.restore(StateReader(tree).scope("model"), session_.stream());
    trainer_.restore(StateReader(tree).scope("trainer"));
    progress_.begin_phase("training", options_.train.epochs - trainer_.epoch());
    save(folder_.checkpoint());  // with the smaller learning rate, for a resumed run
  }

  [[nodiscard]] StateReader reader() const { return StateReader(*stored_); }
  [[nodiscard]] std::optional<data::TrainValidationSplit> stored_split() const {
    if (!stored_) return std::nullopt;
    return data::TrainValidationSplit::restore(reader().scope("split"));
  }

  void announce() {
    const GraphCost cost = cost_of(model_.graph());
    events_.write(stored_ ? "resume" : "start",
                  {{"command", std::string("train")},
                   {"model", options_.model.name},
                   {"data", data_.training.name()},
                   {"training_images", data_.training.size()},
                   {"validation_images", data_.validation ? data_.validation->size() : 0},
                   {"parameters", cost.parameters},
                   {"macs", cost.macs},
                   {"device", session_.device().description()},
                   {"threads", static_cast<std::int64_t>(omp_get_max_threads())},
                   {"recipe", toml_}});
    progress_.say(
        fmt::format("{} on {}: {} parameters, {} multiply-adds; {} training, {} validation, {} test images",
                    options_.model.name, data_.training.name(), grouped(cost.parameters),
                    scaled(static_cast<double>(cost.macs)), grouped(data_.training.size()),
                    grouped(data_.validation ? data_.validation->size() : 0), grouped(data_.test.size())));
    progress_.say(memory_text(model_, trainer_));
    if (const std::string text = processes_text(session_, options_.train); !text.empty()) progress_.say(text);
    if (stored_) progress_.say(fmt::format("resuming after epoch {}", trainer_.epoch()));
  }

  void finish_epoch(const EpochReport& epoch) {
    LogFields fields{{"epoch", epoch.epoch},
                     {"phase", std::string("training")},
                     {"loss", epoch.loss},
                     {"top1", epoch.top1},
                     {"learning_rate", epoch.learning_rate},
                     {"seconds", epoch.seconds},
                     {"images_per_second", epoch.images_per_second()}};
    if (epoch.skipped_steps > 0) fields.emplace_back("skipped_steps", epoch.skipped_steps);
    if (data_.validation) {
      const auto source = data_.validation_source();
      const Evaluation validation = evaluator_.run(*source);
      fields.emplace_back("validation_top1", validation.top1);
      fields.emplace_back("validation_loss", validation.loss);
      progress_.add_to_epoch(fmt::format("validation {}", percent(validation.top1)));
    }
    progress_.end_epoch();
    events_.write("epoch", fields);
    if (trainer_.epoch() % options_.train.checkpoint_every == 0 ||
        trainer_.epoch() == options_.train.epochs) {
      save(folder_.checkpoint());
    }
  }

  void save(const std::filesystem::path& file) {
    if (!folder_.writes()) return;
    StateTree tree;
    const StateWriter writer(tree);
    save_provenance(writer, "train", toml_, options_);
    model_.save(writer.scope("model"), session_.stream());
    trainer_.save(writer.scope("trainer"));
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
  Session session_;
  std::optional<StateTree> stored_;
  RunData data_;
  std::unique_ptr<BatchSource> source_;
  Model model_;
  std::unique_ptr<Teacher> teacher_;  // null unless asked for
  Trainer trainer_;
  Evaluator evaluator_;
  std::unique_ptr<EventSink> log_;
  std::unique_ptr<TensorBoardLog> board_;  // null unless asked for
  EventFanOut events_;
  Progress progress_;
  NanGuard nan_guard_;
};

}  // namespace

int run_train(const RunOptions& options, const std::string& toml, const RunFolder& folder, bool resume) {
  folder.write_recipe(toml);
  return finish_run(folder, "train", [&] { TrainRun(options, toml, folder, resume).run(); });
}

}  // namespace secateur::app
