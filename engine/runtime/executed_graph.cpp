#include "runtime/executed_graph.h"

#include <array>
#include <optional>
#include <string>

#include "secateur/runtime/stored_width.h"

namespace secateur {
namespace {

// A node that fusion would make, as its kernel would be told of it.
std::optional<std::string> why_not_fused(const Model& model, Stream& stream, const ProgramOptions& options,
                                         const Node& node, const MapShape& input, const MapShape& output,
                                         std::span<const NodeId> sources) {
  if (options.batch_shared_by != nullptr) return "batch norm takes its statistics over several processes";
  const auto described = [&](const MapShape& shape) {
    return Tensor(nullptr, storage_type(options.precision), shape.batched(options.batch),
                  stored_channels(shape, options));
  };
  std::vector<Tensor> parameters;
  for (const NodeId plain : sources) {
    for (const std::int64_t p : model.layout().of_node[static_cast<std::size_t>(plain)]) {
      parameters.push_back(model.value(p));
      parameters.back().data = nullptr;
    }
  }
  const std::array inputs{described(input)};
  const std::array wanted{true};
  return why_no_kernel({.node = node,
                        .id = sources.back(),
                        .stream = stream,
                        .precision = options.precision,
                        .batch_statistics = true,
                        .inputs = inputs,
                        .output = described(output),
                        .parameters = parameters,
                        .input_gradient_wanted = wanted,
                        .parameter_gradients_wanted = true});
}

}  // namespace

std::int64_t stored_channels(const MapShape& shape, const ProgramOptions& options) {
  if (options.channel_padding > 0) return align_up(shape.channels, options.channel_padding);
  return host_stored_channels(shape);
}

ExecutedGraph executed_graph(const Model& model, const Graph& plain, Stream& stream,
                             const ProgramOptions& options) {
  if (!options.fuse) return {unfused(plain), {}};
  const DeviceKind device = stream.device().kind();
  if (options.frozen && has_kernel("folded_conv2d", device)) {
    return {fuse_and_fold(plain, options.taps), {}};
  }
  FusedGraph fused = fuse(plain, options.taps);
  const bool in_convolutions = options.fuse_convolutions && options.mode == ProgramMode::train &&
                               has_kernel("norm_act_conv2d", device);
  if (!in_convolutions) return {std::move(fused), {}};
  FusedConvolutions result = fuse_convolutions(
      fused, options.taps,
      [&](const Node& node, const MapShape& input, const MapShape& output, std::span<const NodeId> sources) {
        return why_not_fused(model, stream, options, node, input, output, sources);
      });
  return {std::move(result.fused), std::move(result.choices)};
}

}  // namespace secateur
