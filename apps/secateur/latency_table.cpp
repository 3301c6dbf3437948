#include "secateur/latency_table.h"

#include <fmt/format.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <xxhash.h>

#include <optional>
#include <vector>

#include "secateur/core/error.h"
#include "secateur/core/version.h"
#include "secateur/io/files.h"
#include "secateur/train/trainer.h"

namespace secateur::app {
namespace {

// The network is visited so often while its layers are measured, each time for so much longer than a layer:
// where the machine is slower for a while, it is so for both, and their ratio stays.
constexpr std::size_t kVisits = 10;
constexpr double kVisitTimes = 2;

std::string text_of(const std::filesystem::path& file) {
  const std::vector<std::byte> bytes = read_file(file);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write(const std::filesystem::path& file, const LayerTimes& times) {
  const std::string text = times.to_json();
  write_file_atomically(file, std::as_bytes(std::span(text)));
}

std::filesystem::path cache_file(const std::filesystem::path& folder, const TimingConditions& conditions) {
  if (folder.empty()) return {};
  const std::string text = conditions.text();
  return folder / "layer-times" / fmt::format("{:016x}.json", XXH3_64bits(text.data(), text.size()));
}

// The cache's table for these conditions, or an empty one.
LayerTimes cached_times(const std::filesystem::path& file, const TimingConditions& conditions,
                        Progress& progress) {
  if (file.empty() || !std::filesystem::exists(file)) return LayerTimes(conditions);
  try {
    LayerTimes times = LayerTimes::parse(text_of(file), file.string());
    if (times.conditions() == conditions) return times;
    progress.say(fmt::format("warning: '{}' is of other conditions ({}): measured anew", file.string(),
                             times.conditions().text()));
  } catch (const Error& error) {
    progress.say(fmt::format("warning: {}: measured anew", error.what()));
  }
  return LayerTimes(conditions);
}

// A folder that cannot be made or written to costs the cache, not the run.
bool make_folder(const std::filesystem::path& file, Progress& progress) {
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  if (error) {
    progress.say(fmt::format("warning: layer times are not kept: cannot make '{}': {}",
                             file.parent_path().string(), error.message()));
  }
  return !error;
}

// The network's time, from samples of several visits.
class WholeNetwork {
 public:
  WholeNetwork(const Measurement& network, TimerOptions timer, Session& session)
      : network_(network), timer_(timer), session_(session) {
    timer_.seconds *= kVisitTimes;
    timer_.samples = (timer_.samples + 1) / 2;
  }
  void visit() {
    const std::vector<double> samples =
        samples_of_inference(network_.graph, session_.arena(), session_.stream(), timer_);
    samples_.insert(samples_.end(), samples.begin(), samples.end());
    ++visits_;
  }
  void finish(LayerTimes& times) {
    while (visits_ < kVisits) visit();
    times.set(network_.kind, network_.in, network_.out, summary_of(samples_));
  }

 private:
  const Measurement& network_;
  TimerOptions timer_;
  Session& session_;
  std::vector<double> samples_;
  std::size_t visits_ = 0;
};

// Everything that is missing; the file is written after each.
void measure(const std::vector<const Measurement*>& missing, const TimerOptions& timer, Session& session,
             LayerTimes& times, const std::filesystem::path& file) {
  const auto keep = [&] {
    if (!file.empty()) write(file, times);
  };
  std::optional<WholeNetwork> whole;
  for (const Measurement* one : missing) {
    if (one->whole) whole.emplace(*one, timer, session);
  }
  const std::size_t stretch = missing.size() / kVisits + 1;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    if (interrupted()) throw Interrupted("stopped while layers were measured");
    if (whole && i % stretch == 0) whole->visit();
    const Measurement& one = *missing[i];
    if (one.whole) continue;
    times.set(one.kind, one.in, one.out,
              time_of_inference(one.graph, session.arena(), session.stream(), timer));
    keep();
  }
  if (whole) whole->finish(times);
  keep();
}

}  // namespace

TimingConditions timing_conditions(const Graph& network, Session& session, std::int64_t batch) {
  const BuildInfo& build = build_info();
  std::string libraries = fmt::format("secateur {}", build.version);
  if (session.device().kind() == DeviceKind::cuda) {
    libraries += fmt::format(", CUDA {}, cuDNN {}", build.cuda_version, build.cudnn_version);
  } else {
    const dnnl_version_t* onednn = dnnl_version();
    libraries += fmt::format(", oneDNN {}.{}.{}", onednn->major, onednn->minor, onednn->patch);
  }
  MapShape image;
  for (NodeId id = 0; id < network.size(); ++id) {
    if (network.node(id).inputs.empty()) image = network.shape(id);
  }
  return {session.device().description(),
          libraries,
          std::string(name_of(session.precision())),
          batch,
          omp_get_max_threads(),
          fmt::format("{}x{}x{}", image.height, image.width, image.channels)};
}

LatencyTable latency_table(const Graph& network, Session& session, const LatencyTableOptions& options,
                           Progress& progress) {
  const TimingConditions conditions = timing_conditions(network, session, options.batch);
  std::filesystem::path file = cache_file(options.cache, conditions);
  const bool stored = !options.run_file.empty() && std::filesystem::exists(options.run_file);
  LayerTimes times = stored ? LayerTimes::parse(text_of(options.run_file), options.run_file.string())
                            : cached_times(file, conditions, progress);
  if (stored && times.conditions() != conditions) {
    progress.say(fmt::format("the run's layer times were measured elsewhere and are kept: {}",
                             times.conditions().text()));
  }
  if (stored || (!file.empty() && !make_folder(file, progress))) file.clear();

  TimerOptions timer = options.timer;
  timer.batch = options.batch;
  timer.precision = session.precision();
  const std::vector<Measurement> wanted = measurements_for(network, options.granule);
  std::vector<const Measurement*> missing;
  for (const Measurement& one : wanted) {
    if (times.find(one.kind, one.in, one.out) == nullptr) missing.push_back(&one);
  }
  if (!missing.empty()) {
    progress.say(fmt::format("measuring {} layers and widths at batch {} ({} are known)", missing.size(),
                             options.batch, wanted.size() - missing.size()));
    measure(missing, timer, session, times, file);
  }
  session.arena().clear();
  if (!options.run_file.empty() && (!stored || !missing.empty())) write(options.run_file, times);
  LatencyModel model(network, times, options.granule);
  return {std::move(model), std::move(times), std::ssize(missing), file};
}

}  // namespace secateur::app
