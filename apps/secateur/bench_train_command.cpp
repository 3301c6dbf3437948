// secateur bench train: training steps as `secateur train` runs them, with what they cost, and the same steps
// in PyTorch in turns.
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "secateur/bench/contest.h"
#include "secateur/bench/network.h"
#include "secateur/bench/peer.h"
#include "secateur/bench/report_head.h"
#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/core/rng.h"
#include "secateur/data/loader.h"
#include "secateur/data/prefetch.h"
#include "secateur/data/resident_loader.h"
#include "secateur/fusion_text.h"
#include "secateur/graph/cost.h"
#include "secateur/noise.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

using bench::Timing;
using nlohmann::json;

constexpr double kLearningRate = 0.01;

// Random pixels: the work of a step does not depend on what they show.
data::ImageSet random_images(MapShape shape, std::int64_t classes, std::int64_t count) {
  RandomSequence random(1, RngPurpose::test);
  data::ImageSetContent content;
  content.name = "noise";
  content.image_shape = shape;
  content.pixels.resize(static_cast<std::size_t>(count * shape.positions() * shape.channels));
  for (std::uint8_t& pixel : content.pixels) pixel = static_cast<std::uint8_t>(random.next_u32() >> 24);
  for (std::int64_t i = 0; i < count; ++i) content.labels.push_back(static_cast<std::int32_t>(i % classes));
  for (std::int64_t i = 0; i < classes; ++i) content.class_names.push_back(std::to_string(i));
  content.statistics.mean.assign(static_cast<std::size_t>(shape.channels), 0.5);
  content.statistics.deviation.assign(static_cast<std::size_t>(shape.channels), 0.25);
  return data::ImageSet(std::move(content));
}

// The training images of a data set, as many as a block takes, as `secateur train` would load them.
std::unique_ptr<BatchSource> real_source(const RunData& data, RunOptions options, Stream& stream) {
  options.data.augment = true;
  return data.training_source(options, stream);
}

std::unique_ptr<BatchSource> made_up_source(const Graph& graph, const TrainBenchOptions& bench,
                                            Stream& stream) {
  const MapShape image = graph.shape(0);
  const std::int64_t classes = graph.shape(graph.output()).channels;
  const std::int64_t count = bench.batch * bench.steps;
  if (bench.input == "fixed") return std::make_unique<NoiseImages>(image, classes, count);
  const data::ImageSet images = random_images(image, classes, count);
  const data::LoaderOptions options = data::training_options(1);
  if (stream.device().kind() == DeviceKind::cuda) {
    return std::make_unique<data::ResidentLoader>(images, options, stream);
  }
  return std::make_unique<data::PrefetchingLoader>(std::make_unique<data::Loader>(images, options));
}

// The network in training, block by block.
class Runs {
 public:
  Runs(Session& session, Model& model, const TrainBenchOptions& bench, std::unique_ptr<BatchSource> source)
      : session_(session),
        source_(std::move(source)),
        trainer_(model, session.arena(), session.stream(), *source_,
                 {.batch = bench.batch,
                  .precision = session.precision(),
                  .sgd = {0.9, 5e-4, false, true},
                  .fuse_convolutions = fuses_convolutions(bench.fuse)}),
        on_gpu_(session.device().kind() == DeviceKind::cuda) {
    if (!on_gpu_) trainer_.time_steps();
  }

  bench::BlockTime block() {
    const LrPhase constant{find_lr_schedule("constant"), kLearningRate, 1, 0};
    static_cast<void>(trainer_.take_times());
    const double cpu = bench::cpu_seconds();
    const double seconds = trainer_.run_epoch(constant, 0, observer_).seconds;
    const bench::BlockTime time{seconds, bench::cpu_seconds() - cpu};
    const StepTimes times = trainer_.take_times();
    if (blocks_++ > 0) {  // the first one warms up
      parts_.input += times.input;
      parts_.forward += times.forward;
      parts_.backward += times.backward;
      parts_.update += times.update;
      parts_.steps += times.steps;
    }
    return time;
  }

  // Seconds of a step in parts. On a GPU, where looking costs time, from a block of its own.
  StepTimes parts() {
    if (on_gpu_ && parts_.steps == 0) {
      trainer_.time_steps();
      block();
    }
    const auto steps = static_cast<double>(std::max<std::int64_t>(parts_.steps, 1));
    return {parts_.input / steps, parts_.forward / steps, parts_.backward / steps, parts_.update / steps, 1};
  }

  const Program& program() { return trainer_.program(); }
  [[nodiscard]] std::int64_t recorded_kernels() const { return trainer_.recorded_kernels(); }

 private:
  Session& session_;
  std::unique_ptr<BatchSource> source_;
  Trainer trainer_;
  TrainObserver observer_;
  bool on_gpu_;
  std::int64_t blocks_ = 0;
  StepTimes parts_;
};

// PyTorch's variants, as far as it has them.
class PyTorch {
 public:
  PyTorch(const Model& model, Session& session, const RunOptions& options, const TrainBenchOptions& bench)
      : bench_(bench), peer_(bench.python) {
    const std::filesystem::path network = peer_.folder() / "network.safetensors";
    bench::write_network(network, model, session.stream());
    const MapShape image = model.graph().shape(0);
    const json specification{{"network", network.string()},
                             {"device", options.run.device},
                             {"precision", name_of(session.precision())},
                             {"threads", omp_get_max_threads()},
                             {"batch", bench.batch},
                             {"steps", bench.steps},
                             {"augment", bench.input == "augmented"},
                             {"image", {image.height, image.width, image.channels}},
                             {"classes", model.graph().shape(model.graph().output()).channels},
                             {"learning_rate", kLearningRate}};
    about_ = json::parse(peer_.start("pytorch_train.py", specification.dump(), omp_get_max_threads()));
  }

  [[nodiscard]] std::vector<bench::Turn> turns() {
    std::vector<bench::Turn> result;
    for (const std::string variant : about_.at("variants")) {
      result.push_back({variant, [this, variant] {
                          const json question{{"variant", variant}, {"steps", bench_.steps}};
                          json answer = json::parse(peer_.ask(question.dump()));
                          const bench::BlockTime time{answer.at("seconds"), answer.value("cpu_seconds", 0.0)};
                          last_[variant] = std::move(answer);
                          return time;
                        }});
    }
    return result;
  }

  [[nodiscard]] const json& about() const { return about_; }
  // The last answer of a variant: peak memory, and parts where there are any.
  [[nodiscard]] const json& last(const std::string& variant) const { return last_.at(variant); }

 private:
  const TrainBenchOptions& bench_;
  bench::Peer peer_;
  json about_;
  std::map<std::string, json> last_;
};

void check(const TrainBenchOptions& bench) {
  require(bench.batch >= 1 && bench.steps >= 1 && bench.blocks >= 1,
          "--batch, --steps and --blocks are at least 1, got {}, {} and {}", bench.batch, bench.steps,
          bench.blocks);
  require(bench.input == "augmented" || bench.input == "fixed" || bench.input == "data",
          "--input is augmented, fixed or data, not '{}'", bench.input);
  require(
      bench.input != "data" || bench.against.empty(),
      "--against pytorch trains on images made up; --data is timed alone (bench loader compares loading)");
  require(bench.against.empty() || bench.against == "pytorch", "--against knows pytorch, not '{}'",
          bench.against);
}

}  // namespace

int run_bench_train(const RunOptions& chosen, const TrainBenchOptions& bench) {
  check(bench);
  const bench::ReportHead head;
  Session session(chosen.run);
  RunOptions options = chosen;
  std::optional<RunData> data;
  if (bench.input == "data") {
    options.data.validation = 0;
    options.data.train_limit = bench.batch * bench.steps;
    data = open_data(options, std::nullopt);
  }
  Model model = bench::network_for(options, bench.weights, session, data ? &data->training : nullptr);
  const std::string name = bench.weights.empty() ? options.model.name : bench.weights.string();
  auto source = data ? real_source(*data, options, session.stream())
                     : made_up_source(model.graph(), bench, session.stream());
  const std::int64_t block_images = source->size();
  const std::int64_t block_steps = (block_images + bench.batch - 1) / bench.batch;
  const auto images = static_cast<double>(block_images);
  const auto rate = [&](const Timing& timing) { return images / timing.median(); };

  std::optional<PyTorch> pytorch;
  if (!bench.against.empty()) pytorch.emplace(model, session, options, bench);
  Runs runs(session, model, bench, std::move(source));
  const Program& program = runs.program();
  std::vector<bench::Turn> turns{{"secateur", [&] { return runs.block(); }}};
  if (pytorch) std::ranges::move(pytorch->turns(), std::back_inserter(turns));
  const std::vector<Timing> timings = bench::take_turns(turns, bench.blocks);
  const std::int64_t recorded_kernels = runs.recorded_kernels();
  const Timing& own = timings.front();
  const StepTimes parts = runs.parts();
  const std::int64_t peak = bench::peak_resident_bytes();

  std::string no_gpu;
  const auto machine =
      options.run.device == "cuda" ? bench::make_cuda_machine(no_gpu) : bench::make_host_machine();
  require(machine != nullptr, "{}", no_gpu);
  constexpr double kCeilingSeconds = 0.2;
  const bench::Ceilings ceilings = machine->ceilings(kCeilingSeconds);
  const bench::Work image = bench::step_work(model.graph(), size_of(storage_type(session.precision())), true);
  const double floor = bench::step_floor(image, bench.batch, ceilings);
  const double step = own.median() / static_cast<double>(block_steps);

  json report = head.json("bench train", session.device().description(), omp_get_max_threads());
  report.update({{"settings",
                  {{"model", name},
                   {"batch", bench.batch},
                   {"precision", name_of(session.precision())},
                   {"input", bench.input},
                   {"fuse", bench.fuse},
                   {"data", data ? options.data.name : std::string("noise")},
                   {"image_size", model.graph().shape(0).height},
                   {"images_per_block", block_images},
                   {"steps_per_block", block_steps},
                   {"blocks", bench.blocks}}},
                 {"network",
                  {{"parameters", cost_of(model.graph()).parameters}, {"macs", cost_of(model.graph()).macs}}},
                 {"images_per_second", rate(own)},
                 {"block_seconds", own.seconds},
                 {"block_cpu_seconds", own.cpu_seconds},
                 {"step_seconds",
                  {{"total", parts.total()},
                   {"input", parts.input},
                   {"forward", parts.forward},
                   {"backward", parts.backward},
                   {"update", parts.update}}},
                 {"kernels",
                  {{"forward", program.forward_steps()},
                   {"backward", program.backward_steps()},
                   {"recorded", recorded_kernels}}},
                 {"conv_fusions", conv_fusion_json(program.conv_fusions())},
                 {"memory",
                  {{"planned_bytes", program.planned_bytes()},
                   {"lower_bound_bytes", program.lower_bound_bytes()},
                   {"model_bytes", model.bytes()},
                   {"peak_resident_bytes", peak}}},
                 {"floor",
                  {{"step_seconds", floor},
                   {"fraction", floor / step},
                   {"operations", image.operations * static_cast<double>(bench.batch)},
                   {"bytes", image.bytes * static_cast<double>(bench.batch)},
                   {"operations_per_second", std::max(ceilings.fma_per_second, ceilings.tensor_per_second)},
                   {"bytes_per_second", ceilings.bytes_per_second()}}}});

  fmt::print("{} on {}, {}, {} threads: batch {}, {} blocks of {} steps in turns, medians (least .. most)\n",
             name, session.device().description(), name_of(session.precision()), omp_get_max_threads(),
             bench.batch, bench.blocks, block_steps);
  std::vector<std::vector<std::string>> table{{"", "images/s", "spread", "ms a step", "CPU ms a step"}};
  for (const Timing& timing : timings) {
    table.push_back({timing.name, fmt::format("{:.1f}", rate(timing)),
                     fmt::format("{:.1f} .. {:.1f}", images / timing.most(), images / timing.least()),
                     fmt::format("{:.1f}", 1e3 * timing.median() / static_cast<double>(block_steps)),
                     fmt::format("{:.1f}", 1e3 * timing.cpu_median() / static_cast<double>(block_steps))});
  }
  fmt::print("{}", table_text(table));
  const auto part = [&](double seconds) {
    return fmt::format("{:.1f} ms ({:.0f} %)", 1e3 * seconds, 100 * seconds / parts.total());
  };
  fmt::print("a step: input {}, forward {}, backward {}, update {}; {} kernels forward, {} backward\n",
             part(parts.input), part(parts.forward), part(parts.backward), part(parts.update),
             program.forward_steps(), program.backward_steps());
  if (recorded_kernels > 0) {
    fmt::print(
        "recorded: {} kernels in one graph, from input to update; the parts above were timed without it\n",
        recorded_kernels);
  }
  if (const std::string text = conv_fusion_text(program.conv_fusions()); !text.empty()) {
    fmt::print("{}\n", text);
  }
  fmt::print("memory: {} planned for a step (no plan needs less than {}), {} of parameters; {} resident\n",
             bytes_text(program.planned_bytes()), bytes_text(program.lower_bound_bytes()),
             bytes_text(model.bytes()), bytes_text(peak));
  fmt::print("floor by counts: {:.1f} ms a step, {:.0f} % of which is reached\n", 1e3 * floor,
             100 * floor / step);
  if (pytorch) {
    const Timing& fastest =
        *std::ranges::min_element(timings.begin() + 1, timings.end(), {}, &Timing::median);
    json variants = json::array();
    for (auto timing = timings.begin() + 1; timing != timings.end(); ++timing) {
      json variant = pytorch->last(timing->name);
      variant["name"] = timing->name;
      variant["images_per_second"] = rate(*timing);
      variant["block_seconds"] = timing->seconds;
      variant["block_cpu_seconds"] = timing->cpu_seconds;
      variant.erase("seconds");
      variant.erase("cpu_seconds");
      variants.push_back(std::move(variant));
    }
    const double ratio = fastest.median() / own.median();
    const double least_cpu =
        std::ranges::min_element(timings.begin() + 1, timings.end(), {}, &Timing::cpu_median)->cpu_median();
    const double cpu_ratio = least_cpu / own.cpu_median();
    report["peer"] = {{"library", pytorch->about().at("library")},
                      {"device", pytorch->about().at("device")},
                      {"variants", std::move(variants)},
                      {"fastest", fastest.name},
                      {"ratio", ratio},
                      {"cpu_ratio", cpu_ratio}};
    fmt::print(
        "{:.2f} times the images/s of {} ({}); by processor time, which other programs disturb less, "
        "{:.2f}\n",
        ratio, pytorch->about().at("library").get<std::string>(), fastest.name, cpu_ratio);
  }
  fmt::print("{}", head.load_text());
  bench::write_report(bench.json, report);
  return 0;
}

}  // namespace secateur::app
