// secateur bench infer: latency and throughput of networks, pruned ones too, against what the counts allow
// and against ONNX Runtime in turns.
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "secateur/bench/contest.h"
#include "secateur/bench/network.h"
#include "secateur/bench/peer.h"
#include "secateur/bench/report_head.h"
#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/export/onnx.h"
#include "secateur/graph/cost.h"
#include "secateur/noise.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

using bench::Timing;
using nlohmann::json;

struct Contestant {
  std::string name;
  std::int64_t round_to = 0;  // of a network that was cut here; 0: as it came
  Model model;
};

// What the options name: stored networks, or one by name; and the first of them cut, for every rounding.
std::vector<std::unique_ptr<Contestant>> contestants(const RunOptions& options,
                                                     const InferBenchOptions& bench, Session& session) {
  std::vector<std::unique_ptr<Contestant>> result;
  const auto add = [&](std::string name, std::int64_t round_to, Model model) {
    result.push_back(std::make_unique<Contestant>(Contestant{std::move(name), round_to, std::move(model)}));
  };
  for (const std::filesystem::path& file : bench.weights) {
    add(file.string(), 0, bench::network_for(options, file, session));
  }
  if (bench.weights.empty()) add(options.model.name, 0, bench::network_for(options, {}, session));
  const Contestant& first = *result.front();
  for (bench::Cut& cut : bench::cuts_of(first.name, first.model.graph(), bench.budget, bench.round_to)) {
    Model model(std::move(cut.graph), session.device());
    model.initialize(options.run.seed, session.stream());
    add(std::move(cut.name), cut.granule, std::move(model));
  }
  return result;
}

// Runs of one network with one batch size.
class Inference {
 public:
  Inference(Contestant& contestant, Session& session, std::int64_t batch, double seconds)
      : session_(session),
        seconds_(seconds),
        program_(contestant.model, session.arena(), session.stream(),
                 {.batch = batch, .precision = session.precision(), .frozen = true}) {}

  // Mean seconds of a forward pass over a block.
  double block() {
    fill_with_noise(program_.images(), session_.stream());
    run();
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t runs = 1;; ++runs) {
      run();
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (seconds >= seconds_) return seconds / static_cast<double>(runs);
    }
  }

 private:
  void run() {
    program_.forward({});
    session_.stream().synchronize();
  }

  Session& session_;
  double seconds_;
  Program program_;
};

class OnnxRuntime {
 public:
  OnnxRuntime(Session& session, const RunOptions& options, const InferBenchOptions& bench)
      : session_(session), seconds_(bench.seconds), peer_(bench.python) {
    const json specification{{"threads", omp_get_max_threads()}, {"device", options.run.device}};
    about_ = json::parse(peer_.start("onnxruntime_infer.py", specification.dump(), omp_get_max_threads()));
  }

  // The peer's block on a network, which is exported for it.
  bench::Turn turn(const Contestant& contestant, std::int64_t batch) {
    const std::filesystem::path file = peer_.folder() / fmt::format("{}.onnx", files_++);
    write_onnx(file, contestant.model.graph(),
               [&](const std::string& name) {
                 return contestant.model.read(contestant.model.find_parameter(name), session_.stream());
               },
               {.fold_bn = true, .batch = batch});
    return {about_.at("library"), [this, file] {
              const json question{{"model", file.string()}, {"seconds", seconds_}};
              return bench::BlockTime{json::parse(peer_.ask(question.dump())).at("seconds"), 0};
            }};
  }
  [[nodiscard]] const json& about() const { return about_; }

 private:
  Session& session_;
  double seconds_;
  bench::Peer peer_;
  json about_;
  int files_ = 0;
};

void check(const InferBenchOptions& bench) {
  require(bench.blocks >= 1 && bench.seconds > 0,
          "--blocks is at least 1 and --seconds above 0, got {} and {}", bench.blocks, bench.seconds);
  bench::check_cuts(bench.budget, bench.round_to);
  require(bench.against.empty() || bench.against == "onnxruntime", "--against knows onnxruntime, not '{}'",
          bench.against);
}

struct Row {
  const Contestant* contestant;
  std::int64_t batch;
  Timing own;
  std::optional<Timing> peer;
  double floor;  // seconds
};

json row_json(const Row& row, const Row& before) {
  const GraphCost cost = cost_of(row.contestant->model.graph());
  const auto images = static_cast<double>(row.batch);
  json result{{"network", row.contestant->name},
              {"round_to", row.contestant->round_to},
              {"parameters", cost.parameters},
              {"macs", cost.macs},
              {"batch", row.batch},
              {"seconds", row.own.seconds},
              {"milliseconds", 1e3 * row.own.median()},
              {"images_per_second", images / row.own.median()},
              {"floor_seconds", row.floor},
              {"speedup", before.own.median() / row.own.median()},
              {"speedup_by_counts", before.floor / row.floor}};
  if (row.peer) {
    result["peer"] = {{"seconds", row.peer->seconds},
                      {"milliseconds", 1e3 * row.peer->median()},
                      {"ratio", row.peer->median() / row.own.median()}};
  }
  return result;
}

std::vector<std::string> table_row(const json& row, bool peer) {
  std::vector<std::string> cells{row.at("network"),
                                 std::to_string(row.at("batch").get<std::int64_t>()),
                                 scaled(row.at("macs").get<double>()),
                                 fmt::format("{:.2f}", row.at("milliseconds").get<double>()),
                                 fmt::format("{:.2f}", 1e3 * row.at("floor_seconds").get<double>()),
                                 fmt::format("{:.1f}", row.at("images_per_second").get<double>()),
                                 fmt::format("{:.2f}", row.at("speedup").get<double>()),
                                 fmt::format("{:.2f}", row.at("speedup_by_counts").get<double>())};
  if (peer) {
    cells.push_back(fmt::format("{:.2f}", row.at("peer").at("milliseconds").get<double>()));
    cells.push_back(fmt::format("{:.2f}", row.at("peer").at("ratio").get<double>()));
  }
  return cells;
}

}  // namespace

int run_bench_infer(const RunOptions& options, const InferBenchOptions& bench) {
  check(bench);
  const bench::ReportHead head;
  Session session(options.run);
  const auto networks = contestants(options, bench, session);
  std::optional<OnnxRuntime> onnx;
  if (!bench.against.empty()) onnx.emplace(session, options, bench);
  std::string no_gpu;
  const auto machine =
      options.run.device == "cuda" ? bench::make_cuda_machine(no_gpu) : bench::make_host_machine();
  require(machine != nullptr, "{}", no_gpu);
  constexpr double kCeilingSeconds = 0.2;
  const bench::Ceilings ceilings = machine->ceilings(kCeilingSeconds);

  json rows = json::array();
  std::vector<std::vector<std::string>> table{
      {"", "batch", "MACs", "ms", "floor ms", "images/s", "times as fast", "counts allow"}};
  if (onnx)
    table.front().insert(table.front().end(), {"ms of " + std::string(onnx->about().at("library")), "ratio"});
  for (const std::int64_t batch : bench::batches_of(bench.batches)) {
    std::vector<std::unique_ptr<Inference>> inferences;
    std::vector<bench::Turn> turns;
    for (const auto& network : networks) {
      inferences.push_back(std::make_unique<Inference>(*network, session, batch, bench.seconds));
      turns.push_back({network->name, [&one = *inferences.back()] {
                         return bench::BlockTime{one.block(), 0};
                       }});
      if (onnx) turns.push_back(onnx->turn(*network, batch));
    }
    std::vector<Timing> timings = bench::take_turns(turns, bench.blocks);
    const std::size_t stride = onnx ? 2 : 1;
    std::vector<Row> measured;
    for (std::size_t i = 0; i < networks.size(); ++i) {
      measured.push_back({networks[i].get(), batch, timings[i * stride],
                          onnx ? std::optional(timings[i * stride + 1]) : std::nullopt,
                          bench::inference_floor(networks[i]->model.graph(), batch,
                                                 size_of(storage_type(session.precision())), ceilings)});
    }
    for (const Row& row : measured) {
      rows.push_back(row_json(row, measured.front()));
      table.push_back(table_row(rows.back(), onnx.has_value()));
    }
  }

  fmt::print("{}, {}, {} threads: {} blocks of {} s in turns, medians\n", session.device().description(),
             name_of(session.precision()), omp_get_max_threads(), bench.blocks, bench.seconds);
  fmt::print("{}", table_text(table));
  fmt::print(
      "floor: what the machine's ceilings allow, layer by layer; times as fast: as the first network; counts "
      "allow: the same of the floors\n{}",
      head.load_text());
  json report = head.json("bench infer", session.device().description(), omp_get_max_threads());
  report.update({{"settings",
                  {{"precision", name_of(session.precision())},
                   {"blocks", bench.blocks},
                   {"seconds_per_block", bench.seconds},
                   {"budget", bench.budget}}},
                 {"ceilings",
                  {{"bytes_per_second", ceilings.bytes_per_second()},
                   {"operations_per_second", std::max(ceilings.fma_per_second, ceilings.tensor_per_second)}}},
                 {"results", std::move(rows)}});
  if (onnx) report["peer"] = onnx->about();
  bench::write_report(bench.json, report);
  return 0;
}

}  // namespace secateur::app
