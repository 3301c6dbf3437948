// Convolutions that take batch norm's passes over their maps along. Of
//
//   conv2d -> batch_norm -> relu -> conv2d
//
// the first convolution adds up each channel of what it writes (in its epilogue), and the second applies
// batch norm and ReLU to what it reads (in its main loop): the normalised map is never stored, nor read for
// its statistics. Which convolutions could do so is seen here, from the graph; whether a device can is asked.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/graph/fusion.h"

namespace secateur {

//   none        the convolution alone
//   statistics  sums of each output channel, and of its squares, for the batch norm that reads it
//   norm_act    these, and the batch norm and ReLU before it applied to what it reads; likewise in its two
//               gradients
enum class ConvFusion : std::uint8_t { none, statistics, norm_act };
[[nodiscard]] std::string_view name_of(ConvFusion fusion);
// Throws Error that lists the names.
[[nodiscard]] ConvFusion conv_fusion_from_name(std::string_view name);

// What became of one convolution.
struct ConvFusionChoice {
  std::string layer;
  ConvFusion fusion = ConvFusion::none;
  std::string reason;  // why not norm_act; empty where it is
};

// Why a node of the rewritten graph cannot run, or nothing where it can. `sources` are the nodes of the plain
// graph whose parameters it takes.
using ConvFusionCheck = std::function<std::optional<std::string>(
    const Node& node, const MapShape& input, const MapShape& output, std::span<const NodeId> sources)>;

struct FusedConvolutions {
  FusedGraph fused;
  std::vector<ConvFusionChoice> choices;  // one a convolution, in the graph's order
};

// Of a graph that fuse() made for training, with the same `visible` (ids of the plain graph):
//   conv2d with attribute statistics (1) gives sums beside its map; a batch_norm or batch_norm_act with
//   attribute given_statistics (1) takes those of its first input; batch_norm_act without a residual and the
//   one convolution that reads it become norm_act_conv2d under the convolution's name, which takes sums and
//   gives sums.
[[nodiscard]] FusedConvolutions fuse_convolutions(const FusedGraph& fused, std::span<const NodeId> visible,
                                                  const ConvFusionCheck& check);

// Whether the node gives sums of its output's channels, and whether it takes those of its first input.
[[nodiscard]] bool gives_statistics(const Node& node);
[[nodiscard]] bool takes_statistics(const Node& node);

}  // namespace secateur
