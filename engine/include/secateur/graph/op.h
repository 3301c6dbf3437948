// Op: what the graph knows of an operation - its shape rule, its parameters, its cost and how channels run
// through it. How it computes is registered per device (backend/kernel.h). Built-in ops and ops from outside
// the project register in the same way: one OpRegistration object, or register_op().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/core/shape.h"
#include "secateur/graph/channel_rule.h"
#include "secateur/graph/graph.h"

namespace secateur {

// What a parameter is, for initialisation, weight decay and precision.
enum class ParameterKind : std::uint8_t {
  weight,
  bias,
  norm_scale,
  norm_shift,
  running_mean,
  running_variance
};

// Statistics are state, not trained by gradients.
[[nodiscard]] constexpr bool is_trained(ParameterKind kind) {
  return kind != ParameterKind::running_mean && kind != ParameterKind::running_variance;
}

// What an axis of a parameter runs along; the Surgeon gathers it accordingly.
//   output: the channels of the node's output
//   input: the channels of the node's first input
//   grouped_input: the input channels of the group that the row (axis 0, an output channel) belongs to
enum class AxisRole : std::uint8_t { fixed, output, input, grouped_input };

struct ParameterSpec {
  std::string role;  // "weight", "bias", "scale", "shift", "running_mean", "running_variance"
  ParameterKind kind = ParameterKind::weight;
  Shape shape;
  std::vector<AxisRole> axes;  // one an axis
  std::int64_t fan_in = 0;     // of one output, for He initialisation; 0 where it has no meaning
  std::int64_t groups = 1;     // of grouped_input
};

// What reads channels at a place means to pruning: a convolution or linear layer produces, batch norm
// normalises, an activation is where feature maps are read by default.
enum class OpStage : std::uint8_t { other, producer, normalization, activation };

class Op {
 public:
  virtual ~Op() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;
  // Smallest and largest number of inputs.
  [[nodiscard]] virtual std::pair<int, int> arity() const { return {1, 1}; }
  [[nodiscard]] virtual OpStage stage() const { return OpStage::other; }

  // Throws Error that says which attribute or input shape is impossible.
  [[nodiscard]] virtual MapShape output_shape(const Node& node, std::span<const MapShape> inputs) const = 0;
  [[nodiscard]] virtual std::vector<ParameterSpec> parameters(const Node& node,
                                                              std::span<const MapShape> inputs) const;
  // Multiply-adds of one sample's forward pass.
  [[nodiscard]] virtual std::int64_t macs(const Node& node, std::span<const MapShape> inputs,
                                          const MapShape& output) const;

  // Declares how the channels of the inputs become those of the output (graph/channel_rule.h).
  virtual void channels(const Node& node, ChannelRule& rule) const = 0;

  // Rewrites attributes that count or index channels, after channels were removed. kept_inputs[i] and
  // kept_output list, in order, the old indices that remain. "origin" tables are gathered by the caller.
  virtual void keep_channels(Node& node, std::span<const std::vector<std::int64_t>> kept_inputs,
                             std::span<const std::int64_t> kept_output) const;

  // True when the node should carry "origin", the original index of each of its output channels.
  [[nodiscard]] virtual bool tracks_origin() const { return stage() == OpStage::producer; }
  // True when the output is the input's memory seen with another shape (flatten).
  [[nodiscard]] virtual bool is_view() const { return false; }
  // True when the gradient of every input is the gradient of the output (add).
  [[nodiscard]] virtual bool passes_gradient() const { return false; }
  // True when the op takes no part in inference and is skipped there (dropout).
  [[nodiscard]] virtual bool training_only() const { return false; }
};

// Throws Error when the name is taken. The registry is filled before main() and by embedding programs at
// start-up.
void register_op(std::unique_ptr<Op> op);
// Throws Error that lists the registered names.
[[nodiscard]] const Op& find_op(std::string_view name);
[[nodiscard]] std::vector<std::string> registered_ops();

}  // namespace secateur
