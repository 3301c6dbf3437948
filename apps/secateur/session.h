// What every run needs: a device with its stream and arena, the data with its stored split, and the run's
// folder.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "secateur/cache.h"
#include "secateur/data/dataset.h"
#include "secateur/data/loader.h"
#include "secateur/data/split.h"
#include "secateur/io/recipe.h"
#include "secateur/io/run_log.h"
#include "secateur/processes.h"
#include "secateur/run_options.h"
#include "secateur/runtime/model.h"
#include "secateur/runtime/program.h"
#include "secateur/train/batch_source.h"

namespace secateur::app {

class Session {
 public:
  // Opens the device and sets the number of threads; of several processes on a machine each takes the GPU of
  // its local rank. Throws Error when this build or machine has no such device.
  explicit Session(const RunSettings& settings, const Processes* processes = nullptr);
  [[nodiscard]] Device& device() { return *device_; }
  [[nodiscard]] Stream& stream() { return *stream_; }
  [[nodiscard]] Arena& arena() { return arena_; }
  [[nodiscard]] Precision precision() const { return precision_; }
  // Between the devices of all processes; null where there is one.
  [[nodiscard]] Communicator* communicator() const { return communicator_; }

 private:
  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  KeptConvChoices conv_choices_;
  Arena arena_;
  Precision precision_;
  std::unique_ptr<Communicator> between_devices_;  // null where the processes' own serves
  Communicator* communicator_ = nullptr;
};

// The data of a run in its three parts. The test part is read once, for the report.
struct RunData {
  data::ImageSet training;  // without the validation part
  std::optional<data::ImageSet> validation;
  data::ImageSet test;
  data::TrainValidationSplit split;
  data::DecodingOptions decoding;  // of encoded images

  // Shuffled and augmented as the options say: a set in memory goes to a GPU as a whole, everything else is
  // prefetched by a thread.
  [[nodiscard]] std::unique_ptr<BatchSource> training_source(const RunOptions& options, Stream& stream) const;
  // Training images as they are, in an order that the round shuffles: to draw samples from.
  [[nodiscard]] std::unique_ptr<BatchSource> sample_source(std::uint64_t seed) const;
  [[nodiscard]] std::unique_ptr<BatchSource> validation_source() const;
  // The images that steer a pruning run: the validation part, or the test part.
  [[nodiscard]] const data::ImageSet& steering_set(SteerBy steer_by) const;
  [[nodiscard]] std::unique_ptr<BatchSource> test_source() const;
  // Any of the parts or a subset of one, in its order, as evaluations see it.
  [[nodiscard]] std::unique_ptr<BatchSource> evaluation_source(const data::ImageSet& set) const;
};

// Opens the data set and splits it; `stored` is the split of a checkpoint that goes before a new one. Throws
// Error when it is not of this set.
[[nodiscard]] RunData open_data(const RunOptions& options,
                                const std::optional<data::TrainValidationSplit>& stored);

// Builds the network of the options for the data's images and classes, without weights.
[[nodiscard]] Graph build_graph(const ModelOptions& options, const data::ImageSet& set);

// A run's folder and the names of the files in it.
class RunFolder {
 public:
  // Makes the folder. Throws Error when it holds a run already and `resume` is false, or none and `resume` is
  // true. Of several processes (null: this one alone) the first does so, and it alone writes into the folder.
  RunFolder(std::filesystem::path folder, bool resume, std::shared_ptr<Processes> processes = nullptr);
  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::filesystem::path checkpoint() const { return file("last.h5"); }
  [[nodiscard]] std::filesystem::path model() const { return file("model.h5"); }
  [[nodiscard]] std::filesystem::path log() const { return file("run.jsonl"); }
  [[nodiscard]] std::filesystem::path report() const { return file("report.html"); }
  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }
  // The options that the run was started with, from its last checkpoint.
  [[nodiscard]] Recipe stored_recipe() const;
  void write_recipe(const std::string& toml) const;

  [[nodiscard]] const Processes* processes() const { return processes_.get(); }
  // Whether this process writes and speaks.
  [[nodiscard]] bool writes() const { return processes_ == nullptr || processes_->first(); }
  // The run's log; of a process that does not write, one that drops what it is given.
  [[nodiscard]] std::unique_ptr<EventSink> open_log() const;

 private:
  void remove_leftovers() const;

  std::filesystem::path folder_;
  std::shared_ptr<Processes> processes_;
};

// "2 processes by MPI, 64 images of each batch for each; ..."; "" for one process.
[[nodiscard]] std::string processes_text(const Session& session, const TrainOptions& options);

// The facts that every checkpoint carries: kind of run, versions, commit, threads, recipe.
void save_provenance(StateWriter writer, const std::string& kind, const std::string& recipe_toml,
                     const RunOptions& options);

// A file of weights: the model and what was stored with it.
struct LoadedModel {
  StateTree tree;
  Model model;
  [[nodiscard]] std::optional<data::TrainValidationSplit> split() const;
  [[nodiscard]] std::string text(const std::string& path) const;  // "" when it is not there
};
// What becomes of averaged weights, which the checkpoint of a run holds beside the others: they take their
// place, or are kept.
enum class Averages : std::uint8_t { adopt, keep };
[[nodiscard]] LoadedModel load_model(const std::filesystem::path& file, Session& session,
                                     Averages averages = Averages::adopt);

}  // namespace secateur::app
