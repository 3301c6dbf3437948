// secateur plan: what a network would cost on a GPU that need not be there - engines, workspaces, bytes,
// arithmetic, floors of running time, memory, and the widths that lose a fast path.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "secateur/backend/cuda.h"
#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/gpu_engines.h"
#include "secateur/models/models.h"
#include "secateur/runtime/network_plan.h"
#include "secateur/runtime/step_memory.h"
#include "secateur/session.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

// What a step takes, from compiling it for the GPU; nothing is allocated.
struct Memory {
  StepMemory step;
  std::int64_t largest_batch = 0;
};

Memory measure_memory(const Graph& graph, const GpuDescription& gpu, const NetworkPlanOptions& options) {
  const auto device = make_described_cuda_device(gpu);
  const StepOptions step{options.batch, options.precision, options.training};
  return {step_memory(graph, *device, step), largest_batch(graph, *device, step, gpu.memory_bytes)};
}

nlohmann::json memory_json(const Memory& memory) {
  return {{"model_bytes", memory.step.model},
          {"step_bytes", memory.step.step},
          {"step_lower_bound_bytes", memory.step.lower_bound},
          {"largest_batch", memory.largest_batch}};
}

std::string rate_text(double per_second, const char* unit) {
  return per_second >= 1e12 ? fmt::format("{:.2f} T{}/s", per_second / 1e12, unit)
                            : fmt::format("{:.0f} G{}/s", per_second / 1e9, unit);
}

std::string time_text(double seconds) {
  return seconds >= 1e-3 ? fmt::format("{:.2f} ms", seconds * 1e3) : fmt::format("{:.1f} us", seconds * 1e6);
}

void print_gpu(const GpuDescription& gpu) {
  fmt::print("{} (compute capability {}.{}, {} multiprocessors): {}, {}\n", gpu.name,
             gpu.compute_capability / 10, gpu.compute_capability % 10, gpu.multiprocessors,
             bytes_text(gpu.memory_bytes), rate_text(gpu.memory_bytes_per_second, "B"));
  fmt::print("  fp32 {}, tf32 {}, bf16 {}, fp16 {}\n", rate_text(gpu.fp32_flops, "FLOP"),
             rate_text(gpu.tf32_flops, "FLOP"), rate_text(gpu.bf16_flops, "FLOP"),
             rate_text(gpu.fp16_flops, "FLOP"));
}

std::string shape_text(const ConvGeometry& g) {
  const ConvProblem& p = g.problem;
  return fmt::format("{}x{}x{} -> {}x{}x{}, {}x{}{}", p.input.height, p.input.width, g.in_channels,
                     p.output.height, p.output.width, g.out_channels, p.kernel[0], p.kernel[1],
                     p.stride[0] != 1 || p.stride[1] != 1 ? fmt::format("/{}", p.stride[0]) : "");
}

// forward, d input, d weight
std::string_view short_name(ConvPass pass) {
  switch (pass) {
    case ConvPass::forward:
      return "forward";
    case ConvPass::input_gradient:
      return "d input";
    case ConvPass::weight_gradient:
      break;
  }
  return "d weight";
}

void print_widths(const NetworkPlan& plan) {
  std::vector<std::vector<std::string>> rows{{"layer", "widths", "stored", "idle"}};
  for (const LayerPlan& layer : plan.layers) {
    const ConvProblem& p = layer.geometry.problem;
    if (layer.idle_fraction() <= 0) continue;
    rows.push_back(
        {layer.name, fmt::format("{} -> {}", layer.geometry.in_channels, layer.geometry.out_channels),
         fmt::format("{} -> {}", p.input.channels, p.output.channels), percent(layer.idle_fraction(), 0)});
  }
  if (rows.size() > 1) {
    fmt::print(
        "\nWidths that are stored wider (multiples of 8), and the part of the arithmetic that is idle:\n{}",
        table_text(rows));
  }
  rows = {{"layer", "pass", "widths", "workspace", "next multiple of 8", "workspace there"}};
  for (const LayerPlan& layer : plan.layers) {
    for (const WidthLoss& loss : layer.losses) {
      rows.push_back({layer.name, std::string(short_name(loss.pass)),
                      fmt::format("{} -> {}", layer.geometry.in_channels, layer.geometry.out_channels),
                      bytes_text(loss.workspace),
                      fmt::format("{} -> {}", layer.rounded_in, layer.rounded_out),
                      bytes_text(loss.rounded_workspace) + (loss.lost_tensor_cores ? ", tensor cores" : "")});
    }
  }
  if (rows.size() > 1) {
    fmt::print("\nPasses that lose a fast path by their width:\n{}", table_text(rows));
  } else {
    fmt::print("\nNo pass loses a fast path by its width.\n");
  }
}

void print_plan(const GpuDescription& gpu, const NetworkPlanOptions& options, const NetworkPlan& plan,
                const std::optional<Memory>& memory) {
  fmt::print(
      "Planned from a description of the GPU: none is needed, nothing ran. Floors are of the\n"
      "convolutions alone, each operand moved once; real passes take longer.\n\n");
  print_gpu(gpu);
  fmt::print("  batch {}, {}, {}\n\n", options.batch, name_of(options.precision),
             options.training ? "a training step" : "inference");
  std::vector<std::vector<std::string>> rows{
      {"layer", "pass", "engine", "workspace", "moved", "MACs", "floor", "bound by"}};
  for (const LayerPlan& layer : plan.layers) {
    rows.push_back({layer.name + "  " + shape_text(layer.geometry), "", "", "", "", "", "", ""});
    for (const PassPlan& pass : layer.passes) {
      rows.push_back({"", std::string(short_name(pass.problem.pass)),
                      pass.engine.refusal.empty()
                          ? pass.engine.engine.substr(0, pass.engine.engine.find(',')) +
                                (pass.engine.tensor_cores ? " (tc)" : "")
                          : "none",
                      bytes_text(pass.engine.workspace), bytes_text(pass.problem.bytes()),
                      scaled(static_cast<double>(pass.problem.macs())), time_text(pass.floor_seconds),
                      pass.memory_bound ? "memory" : "arithmetic"});
    }
  }
  rows.push_back({"total", "", "", "", bytes_text(plan.bytes), scaled(static_cast<double>(plan.macs)),
                  time_text(plan.floor_seconds), ""});
  fmt::print("{}", table_text(rows));
  fmt::print("  (tc): tensor cores\n");
  const double seconds = plan.floor_seconds;
  fmt::print("\nConvolutions alone, multiplied out directly: at most {} images/s.\n",
             grouped(static_cast<std::int64_t>(static_cast<double>(options.batch) / seconds)));
  if (memory) {
    fmt::print(
        "Memory: {} = {} for {} + {} for a step; the largest batch that fits is {}.\n",
        bytes_text(memory->step.total()), bytes_text(memory->step.model),
        options.training ? "weights, gradients and momentum" : "weights", bytes_text(memory->step.step),
        memory->largest_batch > 0 ? "about " + grouped(memory->largest_batch) : "none, not even one image");
  }
  print_widths(plan);
  for (const LayerPlan& layer : plan.layers) {
    for (const PassPlan& pass : layer.passes) {
      if (!pass.engine.refusal.empty()) fmt::print("\n{}: {}\n", layer.name, pass.engine.refusal);
    }
  }
}

nlohmann::json map_json(const ConvMap& map) { return {map.height, map.width, map.channels}; }

nlohmann::json gpu_json(const GpuDescription& gpu) {
  return {{"name", gpu.name},
          {"compute_capability", gpu.compute_capability},
          {"memory_bytes", gpu.memory_bytes},
          {"memory_bytes_per_second", gpu.memory_bytes_per_second},
          {"flops",
           {{"fp32", gpu.fp32_flops},
            {"tf32", gpu.tf32_flops},
            {"bf16", gpu.bf16_flops},
            {"fp16", gpu.fp16_flops}}},
          {"sources", gpu.sources}};
}

nlohmann::json as_json(const GpuDescription& gpu, const NetworkPlanOptions& options, const NetworkPlan& plan,
                       const std::optional<Memory>& memory) {
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerPlan& layer : plan.layers) {
    const ConvGeometry& g = layer.geometry;
    nlohmann::json passes = nlohmann::json::array();
    for (const PassPlan& pass : layer.passes) {
      nlohmann::json entry{{"pass", name_of(pass.problem.pass)},
                           {"workspace_bytes", pass.engine.workspace},
                           {"tensor_cores", pass.engine.tensor_cores},
                           {"bytes", pass.problem.bytes()},
                           {"macs", pass.problem.macs()},
                           {"floor_seconds", pass.floor_seconds},
                           {"bound", pass.memory_bound ? "memory" : "arithmetic"}};
      entry[pass.engine.refusal.empty() ? "engine" : "refusal"] =
          pass.engine.refusal.empty() ? pass.engine.engine : pass.engine.refusal;
      passes.push_back(std::move(entry));
    }
    nlohmann::json losses = nlohmann::json::array();
    for (const WidthLoss& loss : layer.losses) {
      losses.push_back({{"pass", name_of(loss.pass)},
                        {"workspace_bytes", loss.workspace},
                        {"rounded_workspace_bytes", loss.rounded_workspace},
                        {"lost_tensor_cores", loss.lost_tensor_cores}});
    }
    layers.push_back({{"name", layer.name},
                      {"input", map_json(g.problem.input)},
                      {"output", map_json(g.problem.output)},
                      {"channels", {g.in_channels, g.out_channels}},
                      {"rounded_channels", {layer.rounded_in, layer.rounded_out}},
                      {"kernel", g.problem.kernel},
                      {"stride", g.problem.stride},
                      {"groups", g.problem.groups},
                      {"idle_fraction", layer.idle_fraction()},
                      {"passes", passes},
                      {"width_losses", losses}});
  }
  return {{"gpu", gpu_json(gpu)},
          {"gpu_is_described_only", true},
          {"batch", options.batch},
          {"precision", name_of(options.precision)},
          {"training", options.training},
          {"layers", layers},
          {"bytes", plan.bytes},
          {"macs", plan.macs},
          {"floor_seconds", plan.floor_seconds},
          {"passes_without_engine", plan.refused},
          {"memory", memory ? memory_json(*memory) : nlohmann::json(nullptr)}};
}

}  // namespace

int run_plan(RunOptions options, const PlanArguments& arguments) {
  if (arguments.gpu.empty()) {
    for (const std::string& name : gpu_names()) fmt::print("  {:<8} {}\n", name, find_gpu(name).name);
    return 0;
  }
  const GpuDescription gpu = find_gpu(arguments.gpu);
  if (arguments.target.empty()) {
    if (arguments.json) {
      fmt::print("{}\n", gpu_json(gpu).dump(2));
      return 0;
    }
    print_gpu(gpu);
    for (const std::string& source : gpu.sources) fmt::print("  {}\n", source);
    return 0;
  }
  NetworkPlanOptions planned;
  planned.batch = arguments.batch;
  planned.precision = precision_from_name(options.run.precision);
  planned.training = !arguments.inference;
  planned.deterministic = true;  // as the engine's convolutions are
  require(planned.batch >= 1, "--batch: at least 1, got {}", planned.batch);
  static_cast<void>(gpu.flops(planned.precision));  // refuses fp64

  std::optional<Graph> graph;
  if (std::filesystem::exists(arguments.target)) {
    options.run.precision = "fp32";  // the file is only read
    Session session(options.run);
    graph = load_model(arguments.target, session).model.graph();
  } else {
    graph = models::build(arguments.target, {.shortcut = options.model.shortcut, .head = options.model.head});
  }
  const NetworkPlan plan = plan_network(*graph, gpu, planned, engines_of(gpu, "secateur plan"));
  std::optional<Memory> memory;
  if (plan.refused == 0) memory = measure_memory(*graph, gpu, planned);
  if (arguments.json) {
    fmt::print("{}\n", as_json(gpu, planned, plan, memory).dump(2));
  } else {
    print_plan(gpu, planned, plan, memory);
  }
  return plan.refused == 0 ? 0 : 1;
}

}  // namespace secateur::app
