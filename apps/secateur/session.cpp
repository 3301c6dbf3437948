#include "secateur/session.h"

#include <omp.h>

#include <algorithm>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/backend/open_device.h"
#include "secateur/core/error.h"
#include "secateur/core/rng.h"
#include "secateur/core/version.h"
#include "secateur/data/loader.h"
#include "secateur/data/prefetch.h"
#include "secateur/data/registry.h"
#include "secateur/data/resident_loader.h"
#include "secateur/io/checkpoint.h"
#include "secateur/io/files.h"
#include "secateur/models/models.h"
#include "secateur/train/finite.h"

namespace secateur::app {
namespace {

Precision precision_for(const RunSettings& settings) {
  if (settings.device == "reference") return Precision::fp64;
  const Precision precision = precision_from_name(settings.precision);
  if (const auto reason = why_no_precision(device_kind_from_name(settings.device), precision)) {
    fail("--precision {}: {}", settings.precision, *reason);
  }
  return precision;
}

// `limit` samples drawn once and for all, in the set's order: folders hold their classes one after another.
data::ImageSet limited(const data::ImageSet& set, std::int64_t limit) {
  if (limit == 0 || limit >= set.size()) return set;
  std::vector<std::int64_t> indices = RandomSequence(0, RngPurpose::split, 1).permutation(set.size());
  indices.resize(static_cast<std::size_t>(limit));
  std::ranges::sort(indices);
  return set.subset(indices);
}

}  // namespace

Session::Session(const RunSettings& settings, const Processes* processes)
    : device_(open_device(device_kind_from_name(settings.device),
                          {.ordinal = processes != nullptr ? processes->launch().local_rank : 0})),
      stream_(device_->make_stream()),
      conv_choices_(*stream_),
      arena_(*device_),
      precision_(precision_for(settings)) {
  int threads = static_cast<int>(settings.threads);
  if (threads == 0 && processes != nullptr) threads = fair_threads(processes->launch());
  if (threads > 0) omp_set_num_threads(threads);
  if (processes == nullptr || processes->communicator() == nullptr) return;
  between_devices_ = open_communicator(*device_, *processes->communicator());
  communicator_ = between_devices_ != nullptr ? between_devices_.get() : processes->communicator();
}

std::unique_ptr<BatchSource> RunData::training_source(const RunOptions& options, Stream& stream) const {
  data::LoaderOptions loader = data::training_options(options.run.seed);
  loader.augment = options.data.augment;
  loader.decoding = decoding;
  if (stream.device().kind() == DeviceKind::cuda && training.encoded() == nullptr) {
    return std::make_unique<data::ResidentLoader>(training, loader, stream);
  }
  return std::make_unique<data::PrefetchingLoader>(data::make_loader(training, loader));
}

std::unique_ptr<BatchSource> RunData::sample_source(std::uint64_t seed) const {
  return data::make_loader(training, {.shuffle = true, .seed = seed, .decoding = decoding});
}

std::unique_ptr<BatchSource> RunData::validation_source() const {
  require(validation.has_value(), "there are no validation images: --validation sets some aside");
  return evaluation_source(*validation);
}

const data::ImageSet& RunData::steering_set(SteerBy steer_by) const {
  if (steer_by == SteerBy::test) return test;
  require(
      validation.has_value(),
      "there are no validation images to steer by: the base was trained on all training images. Train one "
      "with --validation, or steer by images that it has seen (--steer-by seen) or by the test images "
      "(--steer-by test)");
  return *validation;
}

std::unique_ptr<BatchSource> RunData::test_source() const { return evaluation_source(test); }

std::unique_ptr<BatchSource> RunData::evaluation_source(const data::ImageSet& set) const {
  data::LoaderOptions loader = data::evaluation_options();
  loader.decoding = decoding;
  if (set.encoded() == nullptr) return data::make_loader(set, loader);
  // Decoding takes longer than a small network's forward pass.
  return std::make_unique<data::PrefetchingLoader>(data::make_loader(set, loader));
}

RunData open_data(const RunOptions& options, const std::optional<data::TrainValidationSplit>& stored) {
  const DataOptions& o = options.data;
  const auto directory =
      o.directory.empty() ? std::nullopt : std::optional<std::filesystem::path>(o.directory);
  const data::DataSets sets = data::open_dataset(
      o.name,
      {.directory = directory,
       .synthetic = {.train_size = o.synthetic_train,
                     .test_size = o.synthetic_test,
                     .seed = static_cast<std::uint64_t>(o.synthetic_seed)},
       .images = {.image_size = o.image_size, .class_map = o.class_map, .validation_labels = o.val_labels}});
  const data::ImageSet all = limited(sets.train, o.train_limit);
  data::TrainValidationSplit split =
      stored ? *stored : data::TrainValidationSplit::make(all, o.validation, options.run.seed);
  std::optional<data::ImageSet> validation;
  if (!split.validation_indices().empty()) validation = split.validation_part(all);
  const data::DecodingOptions decoding{.crop = {.least_area = o.crop_area},
                                       .jitter = {o.color_jitter, o.hue_jitter},
                                       .shorter = o.resize,
                                       .threads = o.decode_threads,
                                       .strict = o.strict};
  return {split.train_part(all), std::move(validation), limited(sets.test, o.test_limit), std::move(split),
          decoding};
}

Graph build_graph(const ModelOptions& options, const data::ImageSet& set) {
  return models::build(options.name, {.num_classes = set.num_classes(),
                                      .image = set.image_shape(),
                                      .shortcut = options.shortcut,
                                      .head = options.head});
}

RunFolder::RunFolder(std::filesystem::path folder, bool resume, std::shared_ptr<Processes> processes)
    : folder_(std::move(folder)), processes_(std::move(processes)) {
  require(processes_ != nullptr || launch_from(process_environment()).way == Launch::Way::alone,
          "this was started in several processes, which only train and prune work in (without --dry-run)");
  if (!writes()) return;
  const bool holds_run = std::filesystem::exists(checkpoint());
  require(!resume || holds_run, "--resume: there is no checkpoint '{}'", checkpoint().string());
  require(resume || !holds_run,
          "'{}' holds a run already: add --resume to go on with it, or choose another --out",
          folder_.string());
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  require(!error, "cannot make the folder '{}': {}", folder_.string(), error.message());
  remove_leftovers();
}

// A process that was killed while it wrote leaves ".<name>.<process>.tmp" (write_file_atomically). One run at
// a time uses a folder, so that none of them is in use.
void RunFolder::remove_leftovers() const {
  std::vector<std::filesystem::path> leftovers;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') && name.ends_with(".tmp")) leftovers.push_back(entry.path());
  }
  for (const std::filesystem::path& leftover : leftovers) std::filesystem::remove(leftover);
}

Recipe RunFolder::stored_recipe() const {
  const StateTree tree = read_checkpoint(checkpoint());
  return Recipe::from_text(StateReader(tree).get<std::string>("recipe"), checkpoint().string());
}

std::unique_ptr<EventSink> RunFolder::open_log() const {
  if (writes()) return std::make_unique<RunLog>(log());
  return std::make_unique<EventFanOut>(std::vector<EventSink*>{});
}

void RunFolder::write_recipe(const std::string& toml) const {
  if (writes()) write_file_atomically(file("recipe.toml"), std::as_bytes(std::span(toml)));
}

std::string processes_text(const Session& session, const TrainOptions& options) {
  const Communicator* communicator = session.communicator();
  if (communicator == nullptr) return "";
  return fmt::format("{} processes by {}, about {} images of each batch for each; batch norm sees {}",
                     communicator->size(), communicator->description(), options.batch / communicator->size(),
                     options.sync_batch_norm ? "the whole batch" : "these");
}

void save_provenance(StateWriter writer, const std::string& kind, const std::string& recipe_toml,
                     const RunOptions& options) {
  const BuildInfo& build = build_info();
  writer.set("kind", kind);
  writer.set("recipe", recipe_toml);
  writer.set("model_name", options.model.name);
  writer.set("data_name", options.data.name);
  writer.set("version", std::string(build.version));
  writer.set("commit", std::string(build.commit));
  writer.set("compiler", std::string(build.compiler));
  writer.set("cpu_baseline", std::string(build.cpu_baseline));
  writer.set("threads", static_cast<std::int64_t>(omp_get_max_threads()));
}

std::optional<data::TrainValidationSplit> LoadedModel::split() const {
  const StateReader reader(tree);
  if (!reader.contains("split")) return std::nullopt;
  return data::TrainValidationSplit::restore(reader.scope("split"));
}

std::string LoadedModel::text(const std::string& path) const { return tree.get_or<std::string>(path, ""); }

LoadedModel load_model(const std::filesystem::path& file, Session& session, Averages averages) {
  StateTree tree = read_checkpoint(file);
  require(StateReader(tree).contains("model"), "'{}' holds no model", file.string());
  try {
    Model model = Model::load(StateReader(tree).scope("model"), session.device(), session.stream());
    const NonFinitePlace place = find_in_parameters(model, session.stream());
    require(place.description.empty(), "{}", place.description);
    if (averages == Averages::adopt) model.adopt_averages(session.stream());
    return {std::move(tree), std::move(model)};
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", file.string(), error.what()), error.where());
  }
}

}  // namespace secateur::app
