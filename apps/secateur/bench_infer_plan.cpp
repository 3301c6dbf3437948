// secateur bench infer --gpu: what widths are worth on a GPU that need not be there, from counts and plans
// alone.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "secateur/bench/network.h"
#include "secateur/bench/report_head.h"
#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/core/version.h"
#include "secateur/gpu_engines.h"
#include "secateur/graph/cost.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

using nlohmann::json;

struct Cut {
  std::string name;
  std::int64_t round_to = 0;  // 0: as it came
  Graph graph;
};

std::vector<Cut> cuts_of(const RunOptions& options, const InferBenchOptions& bench) {
  RunOptions host = options;  // files are only read
  host.run.device = "cpu";
  host.run.precision = "fp32";
  Session session(host.run);
  std::vector<Cut> cuts;
  for (const std::filesystem::path& file : bench.weights) {
    cuts.push_back({file.string(), 0, bench::network_for(host, file, session).graph()});
  }
  if (cuts.empty()) cuts.push_back({options.model.name, 0, bench::network_for(host, {}, session).graph()});
  for (bench::Cut& cut :
       bench::cuts_of(cuts.front().name, cuts.front().graph, bench.budget, bench.round_to)) {
    cuts.push_back({std::move(cut.name), cut.granule, std::move(cut.graph)});
  }
  return cuts;
}

// Without CUDA there are no engines to ask for, and floors need none.
EngineFinder finder_of(const GpuDescription& gpu) {
  if (build_info().cuda) return engines_of(gpu, "secateur bench infer --gpu");
  return [](const ConvProblem& /*problem*/) { return PassEngine{}; };
}

json row_json(const Cut& cut, std::int64_t batch, const NetworkPlan& plan, const NetworkPlan& first) {
  json row{{"network", cut.name},
           {"round_to", cut.round_to},
           {"batch", batch},
           {"parameters", cost_of(cut.graph).parameters},
           {"macs", cost_of(cut.graph).macs},
           {"stored_macs", plan.macs / batch},
           {"floor_seconds", plan.floor_seconds},
           {"bytes", plan.bytes},
           {"speedup_of_floors", first.floor_seconds / plan.floor_seconds}};
  if (build_info().cuda) {
    row["passes_without_engine"] = plan.refused;
    row["layers_that_lose_a_fast_path"] =
        std::ranges::count_if(plan.layers, [](const LayerPlan& layer) { return !layer.losses.empty(); });
  }
  return row;
}

}  // namespace

int run_bench_infer_plan(const RunOptions& options, const InferBenchOptions& bench) {
  require(bench.against.empty(), "--gpu plans and measures nothing: there is nothing to set --against");
  bench::check_cuts(bench.budget, bench.round_to);
  const bench::ReportHead head;
  const GpuDescription gpu = find_gpu(bench.gpu);
  const EngineFinder find = finder_of(gpu);
  NetworkPlanOptions planned;
  planned.precision = precision_from_name(options.run.precision);
  planned.training = false;
  planned.deterministic = true;

  json rows = json::array();
  std::vector<std::vector<std::string>> table{
      {"", "batch", "MACs", "as stored", "floor ms", "floors allow", "lose a fast path"}};
  const std::vector<Cut> cuts = cuts_of(options, bench);
  for (const std::int64_t batch : bench::batches_of(bench.batches)) {
    planned.batch = batch;
    const NetworkPlan first = plan_network(cuts.front().graph, gpu, planned, find);
    for (const Cut& cut : cuts) {
      const json row = row_json(cut, batch, plan_network(cut.graph, gpu, planned, find), first);
      const auto lost = row.find("layers_that_lose_a_fast_path");
      table.push_back({cut.name, std::to_string(batch), scaled(row.at("macs").get<double>()),
                       scaled(row.at("stored_macs").get<double>()),
                       fmt::format("{:.3f}", 1e3 * row.at("floor_seconds").get<double>()),
                       fmt::format("{:.2f}", row.at("speedup_of_floors").get<double>()),
                       lost == row.end() ? "?" : fmt::format("{}", lost->get<std::int64_t>())});
      rows.push_back(row);
    }
  }
  fmt::print("{} (described: nothing ran), {}\n{}", gpu.name, name_of(planned.precision), table_text(table));
  fmt::print(
      "floor: of the convolutions alone, each operand moved once, channels as they are stored; floors allow: "
      "times as fast as the first network\n");
  if (!build_info().cuda)
    fmt::print("which layers lose a fast path takes a build with CUDA (cuDNN's plans)\n");
  json report = head.json("bench infer --gpu", gpu.name, 0);
  report.update({{"settings",
                  {{"precision", name_of(planned.precision)},
                   {"budget", bench.budget},
                   {"gpu_is_described_only", true}}},
                 {"results", std::move(rows)}});
  bench::write_report(bench.json, report);
  return 0;
}

}  // namespace secateur::app
