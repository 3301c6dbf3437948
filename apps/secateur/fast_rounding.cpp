#include "secateur/fast_rounding.h"

#include <fmt/format.h>

#include <algorithm>

#include "secateur/core/error.h"
#include "secateur/gpu_engines.h"
#include "secateur/prune/scope.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

std::string rounding_text(const std::string& device, const std::vector<FastWidth>& widths) {
  std::vector<std::vector<std::string>> rows{{"layer", "channels", "multiples of"}};
  for (const FastWidth& width : widths) {
    rows.push_back({width.space, grouped(width.width), grouped(width.multiple)});
  }
  std::string text = fmt::format("widths that keep the fast path on {}:\n{}", device, table_text(rows));
  std::vector<std::string> reasons;
  for (const FastWidth& width : widths) {
    const std::string reason = fmt::format("  multiples of {}: {}\n", width.multiple, width.reason);
    if (std::ranges::count(reasons, reason) == 0) reasons.push_back(reason);
  }
  for (const std::string& reason : reasons) text += reason;
  text.pop_back();
  return text;
}

}  // namespace

SettledRounding settled_rounding(const RunOptions& options, const Graph& graph) {
  SettledRounding settled{options.prune, ""};
  require(options.prune.width.round_to == 0 || options.target.gpu.empty(),
          "--gpu says which GPU's fast widths --round-to auto takes; --round-to is {}",
          options.prune.width.round_to);
  if (options.prune.width.round_to != 0) return settled;
  const ChannelSpaces spaces(graph);
  const std::vector<std::int64_t> prunable =
      prunable_spaces(graph, spaces, options.prune.scope, options.prune.keep);
  std::vector<FastWidth> widths;
  std::string device = "this processor";
  if (!options.target.gpu.empty() || options.run.device == "cuda") {
    const GpuDescription gpu = options.target.gpu.empty()
                                   ? parse_gpu_description(describe_present_gpu(0), "the GPU's description")
                                   : find_gpu(options.target.gpu);
    const std::string& precision =
        options.target.gpu.empty() ? options.run.precision : options.target.gpu_precision;
    const NetworkPlanOptions plan{.batch = options.train.batch,
                                  .precision = precision_from_name(precision),
                                  .training = true,
                                  .deterministic = true};
    device = fmt::format("{} in {}", gpu.name, precision);
    widths = fast_widths_of_gpu(graph, spaces, prunable, gpu, plan, engines_of(gpu, "--round-to auto --gpu"));
  } else {
    widths = fast_widths_of_host(graph, spaces, prunable);
  }
  WidthOptions& width = settled.options.width;
  width.round_to = std::ranges::min(widths, {}, &FastWidth::multiple).multiple;
  for (const FastWidth& one : widths) width.round_to_of[one.space] = one.multiple;
  settled.text = rounding_text(device, widths);
  return settled;
}

}  // namespace secateur::app
