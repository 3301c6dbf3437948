// secateur bench loader: images read, decoded, cropped and scaled a second, and the same in PyTorch in turns.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "secateur/bench/bench.h"
#include "secateur/bench/contest.h"
#include "secateur/bench/peer.h"
#include "secateur/bench/report_head.h"
#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/data/loader.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

using bench::Timing;
using nlohmann::json;

// Batches of a loader, one epoch after the other.
class Loading {
 public:
  Loading(const data::ImageSet& set, const data::LoaderOptions& options, const LoaderBenchOptions& bench)
      : loader_(data::make_loader(set, options)), batch_(std::min(bench.batch, set.size())), bench_(bench) {
    pixels_.resize(static_cast<std::size_t>(batch_ * set.image_shape().count()));
    labels_.resize(static_cast<std::size_t>(batch_));
  }

  bench::BlockTime block() {
    const double processor = bench::cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t done = 0; done < bench_.batch * bench_.steps;) {
      if (next_ + batch_ > loader_->size()) {
        loader_->begin_epoch(++epoch_);
        next_ = 0;
      }
      const std::int64_t count = std::min(batch_, bench_.batch * bench_.steps - done);
      loader_->fill_pixels(next_, count, pixels_, labels_);
      next_ += count;
      done += count;
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    return {taken.count(), bench::cpu_seconds() - processor};
  }

 private:
  std::unique_ptr<data::PixelSource> loader_;
  std::int64_t batch_;
  const LoaderBenchOptions& bench_;
  std::int64_t epoch_ = 0;
  std::int64_t next_ = 0;
  std::vector<std::uint8_t> pixels_;
  std::vector<std::int32_t> labels_;
};

std::string start_peer(bench::Peer& peer, const data::ImageSet& set, const data::LoaderOptions& options,
                       const LoaderBenchOptions& bench, std::int64_t threads) {
  json files = json::array();
  for (std::int64_t i = 0; i < set.size(); ++i) files.push_back(set.encoded()->name_of(set.full_index(i)));
  const json specification{{"files", std::move(files)},
                           {"size", set.image_shape().height},
                           {"least_area", options.decoding.crop.least_area},
                           {"batch", bench.batch},
                           {"steps", bench.steps},
                           {"threads", threads}};
  // One thread in each of DataLoader's processes, as it asks for.
  return json::parse(peer.start("pytorch_loader.py", specification.dump(), 1)).at("library");
}

}  // namespace

int run_bench_loader(const RunOptions& options, const LoaderBenchOptions& bench) {
  require(bench.batch >= 1 && bench.steps >= 1 && bench.blocks >= 1,
          "--batch, --steps and --blocks are at least 1, got {}, {} and {}", bench.batch, bench.steps,
          bench.blocks);
  require(bench.against.empty() || bench.against == "pytorch", "--against knows pytorch, not '{}'",
          bench.against);
  const bench::ReportHead head;
  const RunData data = open_data(options, std::nullopt);
  const data::ImageSet& set = data.training;
  require(bench.against.empty() || (set.encoded() != nullptr && options.data.name == "imagefolder"),
          "--against pytorch reads files: it needs --data imagefolder, not {}", options.data.name);
  data::LoaderOptions loading = data::training_options(options.run.seed);
  loading.decoding = data.decoding;
  const std::int64_t threads = loading.decoding.threads > 0
                                   ? loading.decoding.threads
                                   : std::max<std::int64_t>(1, std::thread::hardware_concurrency());
  Loading own(set, loading, bench);
  std::vector<bench::Turn> turns{{"secateur", [&] { return own.block(); }}};
  std::optional<bench::Peer> peer;
  std::string library;
  if (!bench.against.empty()) {
    library = start_peer(peer.emplace(bench.python), set, loading, bench, threads);
    // Its work is done by processes of its own, whose processor time nobody adds up.
    turns.push_back({"pytorch", [&] {
                       return bench::BlockTime{json::parse(peer->ask("{}")).at("seconds"), 0};
                     }});
  }
  std::optional<RunData> packed_data;
  std::optional<Loading> packed;
  if (!bench.packed.empty()) {
    RunOptions from_pack = options;
    from_pack.data.name = "packed";
    from_pack.data.directory = bench.packed.string();
    packed_data = open_data(from_pack, std::nullopt);
    packed.emplace(packed_data->training, loading, bench);
    turns.push_back({"packed", [&] { return packed->block(); }});
  }
  const std::vector<Timing> timings = bench::take_turns(turns, bench.blocks);
  const auto images = static_cast<double>(bench.batch * bench.steps);
  json report = head.json("bench loader", bench::make_host_machine()->description(), threads);
  report.update({{"settings",
                  {{"data", options.data.name},
                   {"images", set.size()},
                   {"image_size", set.image_shape().height},
                   {"least_area", loading.decoding.crop.least_area},
                   {"batch", bench.batch},
                   {"steps_per_block", bench.steps},
                   {"blocks", bench.blocks}}},
                 {"images_per_second", images / timings[0].median()},
                 {"block_seconds", timings[0].seconds},
                 {"block_cpu_seconds", timings[0].cpu_seconds}});
  fmt::print(
      "{} images of {} to {}x{}, {} threads: {} blocks of {} images in turns, medians (least .. most)\n",
      grouped(set.size()), options.data.name, set.image_shape().height, set.image_shape().width, threads,
      bench.blocks, bench.batch * bench.steps);
  std::vector<std::vector<std::string>> table{{"", "images/s", "spread"}};
  for (const Timing& timing : timings) {
    table.push_back({timing.name, fmt::format("{:.0f}", images / timing.median()),
                     fmt::format("{:.0f} .. {:.0f}", images / timing.most(), images / timing.least())});
  }
  fmt::print("{}", table_text(table));
  if (packed) {
    const Timing& timing = timings.back();
    const double ratio = timings[0].median() / timing.median();
    report["packed"] = {{"file", bench.packed.string()},
                        {"images_per_second", images / timing.median()},
                        {"block_seconds", timing.seconds},
                        {"block_cpu_seconds", timing.cpu_seconds},
                        {"ratio", ratio}};
    fmt::print("packed: {:.2f} times the images/s of {}\n", ratio, options.data.name);
  }
  if (peer) {
    const double ratio = timings[1].median() / timings[0].median();
    report["peer"] = {{"library", library},
                      {"images_per_second", images / timings[1].median()},
                      {"block_seconds", timings[1].seconds},
                      {"ratio", ratio}};
    fmt::print("{:.2f} times the images/s of {}\n", ratio, library);
    if (packed) {
      const double packed_ratio = timings[1].median() / timings.back().median();
      report["packed"]["peer_ratio"] = packed_ratio;
      fmt::print("packed: {:.2f} times the images/s of {}\n", packed_ratio, library);
    }
  }
  fmt::print("{}", head.load_text());
  bench::write_report(bench.json, report);
  return 0;
}

}  // namespace secateur::app
