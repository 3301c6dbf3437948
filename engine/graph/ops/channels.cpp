#include <algorithm>

#include "graph/builtin_ops.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

// Old index -> new index of what is kept; -1 for what goes.
std::vector<std::int64_t> renumbering(std::span<const std::int64_t> kept, std::int64_t before) {
  std::vector<std::int64_t> index(static_cast<std::size_t>(before), -1);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    index[static_cast<std::size_t>(kept[i])] = static_cast<std::int64_t>(i);
  }
  return index;
}

std::int64_t largest(std::span<const std::int64_t> values) {
  return values.empty() ? -1 : *std::max_element(values.begin(), values.end());
}

const std::vector<std::int64_t>& checked_table(const Node& node, std::int64_t lowest, std::int64_t channels) {
  const auto& table = node.attributes.integers("table");
  for (const std::int64_t entry : table) {
    require(entry >= lowest && entry < channels, "'table' holds {}, expected {} to {}", entry, lowest,
            channels - 1);
  }
  return table;
}

// concat: maps of one height and width side by side along the channel axis.
class Concat final : public Op {
 public:
  std::string_view name() const override { return "concat"; }
  std::pair<int, int> arity() const override { return {1, 1024}; }
  MapShape output_shape(const Node& /*node*/, std::span<const MapShape> inputs) const override {
    MapShape shape = inputs[0];
    for (const MapShape& input : inputs.subspan(1)) {
      require(input.height == shape.height && input.width == shape.width,
              "inputs of 'concat' have one height and width, but {}x{} meets {}x{}", shape.height,
              shape.width, input.height, input.width);
      shape.channels += input.channels;
    }
    return shape;
  }
  void channels(const Node& node, ChannelRule& rule) const override {
    std::vector<ChannelId> lanes;
    for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) {
      lanes.insert(lanes.end(), rule.input(i).begin(), rule.input(i).end());
    }
    rule.set_output(std::move(lanes));
  }
};

// flatten: [H, W, C] seen as [1, 1, H*W*C]; feature (h*W + w)*C + c carries channel c.
class Flatten final : public Op {
 public:
  std::string_view name() const override { return "flatten"; }
  bool is_view() const override { return true; }
  MapShape output_shape(const Node& /*node*/, std::span<const MapShape> inputs) const override {
    return {1, 1, inputs[0].count()};
  }
  void channels(const Node& /*node*/, ChannelRule& rule) const override {
    std::vector<ChannelId> lanes;
    for (std::int64_t p = 0; p < rule.input_shape(0).positions(); ++p) {
      lanes.insert(lanes.end(), rule.input(0).begin(), rule.input(0).end());
    }
    rule.set_output(std::move(lanes));
  }
};

// pad_channels: attribute table, one entry an output channel: an input channel, or -1 for zeros.
class PadChannels final : public Op {
 public:
  std::string_view name() const override { return "pad_channels"; }
  MapShape output_shape(const Node& node, std::span<const MapShape> inputs) const override {
    const auto& table = checked_table(node, -1, inputs[0].channels);
    return {inputs[0].height, inputs[0].width, static_cast<std::int64_t>(table.size())};
  }
  void channels(const Node& node, ChannelRule& rule) const override {
    std::vector<ChannelId> lanes;
    for (const std::int64_t entry : node.attributes.integers("table")) {
      lanes.push_back(entry < 0 ? rule.zero_channel() : rule.input(0)[static_cast<std::size_t>(entry)]);
    }
    rule.set_output(std::move(lanes));
  }
  void keep_channels(Node& node, std::span<const std::vector<std::int64_t>> kept_inputs,
                     std::span<const std::int64_t> kept_output) const override {
    const auto& table = node.attributes.integers("table");
    const std::int64_t before = std::max(largest(table), largest(kept_inputs[0])) + 1;
    const auto renumbered = renumbering(kept_inputs[0], before);
    std::vector<std::int64_t> kept;
    for (const std::int64_t lane : kept_output) {
      const std::int64_t entry = table[static_cast<std::size_t>(lane)];
      kept.push_back(entry < 0 ? -1 : renumbered[static_cast<std::size_t>(entry)]);
    }
    node.attributes.set("table", std::move(kept));
  }
};

// gather_channels: attribute table, one entry an output channel: the input channel that it shows.
class GatherChannels final : public Op {
 public:
  std::string_view name() const override { return "gather_channels"; }
  MapShape output_shape(const Node& node, std::span<const MapShape> inputs) const override {
    const auto& table = checked_table(node, 0, inputs[0].channels);
    return {inputs[0].height, inputs[0].width, static_cast<std::int64_t>(table.size())};
  }
  void channels(const Node& node, ChannelRule& rule) const override {
    std::vector<ChannelId> lanes;
    for (const std::int64_t entry : node.attributes.integers("table")) {
      lanes.push_back(rule.input(0)[static_cast<std::size_t>(entry)]);
    }
    rule.set_output(std::move(lanes));
  }
  void keep_channels(Node& node, std::span<const std::vector<std::int64_t>> kept_inputs,
                     std::span<const std::int64_t> kept_output) const override {
    const auto& table = node.attributes.integers("table");
    const std::int64_t before = std::max(largest(table), largest(kept_inputs[0])) + 1;
    const auto renumbered = renumbering(kept_inputs[0], before);
    std::vector<std::int64_t> kept;
    for (const std::int64_t lane : kept_output) {
      kept.push_back(renumbered[static_cast<std::size_t>(table[static_cast<std::size_t>(lane)])]);
    }
    node.attributes.set("table", std::move(kept));
  }
};

// scatter_add: inputs trunk and branch; attribute table, one entry a branch channel: the trunk channel that
// it is added to. A branch channel can go without its trunk channel, but not the other way round.
class ScatterAdd final : public Op {
 public:
  std::string_view name() const override { return "scatter_add"; }
  std::pair<int, int> arity() const override { return {2, 2}; }
  MapShape output_shape(const Node& node, std::span<const MapShape> inputs) const override {
    const auto& table = checked_table(node, 0, inputs[0].channels);
    require(static_cast<std::int64_t>(table.size()) == inputs[1].channels,
            "'table' has one entry a branch channel: expected {}, got {}", inputs[1].channels, table.size());
    require(inputs[0].height == inputs[1].height && inputs[0].width == inputs[1].width,
            "trunk ({}x{}) and branch ({}x{}) have one height and width", inputs[0].height, inputs[0].width,
            inputs[1].height, inputs[1].width);
    return inputs[0];
  }
  void channels(const Node& node, ChannelRule& rule) const override {
    const auto& table = node.attributes.integers("table");
    for (std::size_t i = 0; i < table.size(); ++i) {
      rule.implies_removal(rule.input(0)[static_cast<std::size_t>(table[i])], rule.input(1)[i]);
    }
    rule.pass_on(0);
  }
  void keep_channels(Node& node, std::span<const std::vector<std::int64_t>> kept_inputs,
                     std::span<const std::int64_t> /*kept_output*/) const override {
    const auto& table = node.attributes.integers("table");
    const std::int64_t before = std::max(largest(table), largest(kept_inputs[0])) + 1;
    const auto renumbered = renumbering(kept_inputs[0], before);
    std::vector<std::int64_t> kept;
    for (const std::int64_t lane : kept_inputs[1]) {
      kept.push_back(renumbered[static_cast<std::size_t>(table[static_cast<std::size_t>(lane)])]);
    }
    node.attributes.set("table", std::move(kept));
  }
};

}  // namespace

void add_channel_ops(std::vector<std::unique_ptr<Op>>& ops) {
  ops.push_back(std::make_unique<Concat>());
  ops.push_back(std::make_unique<Flatten>());
  ops.push_back(std::make_unique<PadChannels>());
  ops.push_back(std::make_unique<GatherChannels>());
  ops.push_back(std::make_unique<ScatterAdd>());
}

}  // namespace secateur
