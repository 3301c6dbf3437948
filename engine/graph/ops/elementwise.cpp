#include "graph/builtin_ops.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

// input: attributes height, width, channels. What a Program is fed; its channels are pinned.
class Input final : public Op {
 public:
  std::string_view name() const override { return "input"; }
  std::pair<int, int> arity() const override { return {0, 0}; }
  MapShape output_shape(const Node& node, std::span<const MapShape> /*inputs*/) const override {
    return {node.attributes.integer("height"), node.attributes.integer("width"),
            node.attributes.integer("channels")};
  }
  void channels(const Node& node, ChannelRule& rule) const override {
    std::vector<ChannelId> lanes(static_cast<std::size_t>(node.attributes.integer("channels")));
    for (ChannelId& lane : lanes) lane = rule.zero_channel();
    rule.pin(lanes);
    rule.set_output(std::move(lanes));
  }
};

class Relu final : public Op {
 public:
  std::string_view name() const override { return "relu"; }
  OpStage stage() const override { return OpStage::activation; }
  MapShape output_shape(const Node& /*node*/, std::span<const MapShape> inputs) const override {
    return inputs[0];
  }
  void channels(const Node& /*node*/, ChannelRule& rule) const override { rule.pass_on(0); }
};

// add: sum of two or more maps of one shape; unifies their channels lane by lane.
class Add final : public Op {
 public:
  std::string_view name() const override { return "add"; }
  std::pair<int, int> arity() const override { return {2, 1024}; }
  bool passes_gradient() const override { return true; }
  MapShape output_shape(const Node& /*node*/, std::span<const MapShape> inputs) const override {
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      require(inputs[i] == inputs[0],
              "inputs of 'add' have one shape, but {}x{}x{} meets {}x{}x{} (input {})", inputs[0].height,
              inputs[0].width, inputs[0].channels, inputs[i].height, inputs[i].width, inputs[i].channels, i);
    }
    return inputs[0];
  }
  void channels(const Node& node, ChannelRule& rule) const override {
    for (int i = 1; i < static_cast<int>(node.inputs.size()); ++i) {
      for (std::size_t lane = 0; lane < rule.input(0).size(); ++lane) {
        rule.unify(rule.input(0)[lane], rule.input(i)[lane]);
      }
    }
    rule.pass_on(0);
  }
};

// dropout: attributes rate (0.5), origin and original_channels (kept by the Surgeon), so that a unit draws
// the same number before and after its neighbours are removed.
class Dropout final : public Op {
 public:
  std::string_view name() const override { return "dropout"; }
  bool tracks_origin() const override { return true; }
  bool training_only() const override { return true; }
  MapShape output_shape(const Node& node, std::span<const MapShape> inputs) const override {
    const double rate = node.attributes.real_or("rate", 0.5);
    require(rate >= 0 && rate < 1, "the rate of dropout lies in [0, 1), got {}", rate);
    return inputs[0];
  }
  void channels(const Node& /*node*/, ChannelRule& rule) const override { rule.pass_on(0); }
};

// softmax_cross_entropy: inputs logits [1, 1, K], labels [1, 1, 1] and, for distillation, a teacher's logits
// [1, 1, K]; attributes label_smoothing (0), distillation (0: the weight of the teacher's part) and
// temperature (1). The loss of each sample; appended to a network by training Programs, never stored.
class SoftmaxCrossEntropy final : public Op {
 public:
  std::string_view name() const override { return "softmax_cross_entropy"; }
  std::pair<int, int> arity() const override { return {2, 3}; }
  MapShape output_shape(const Node& node, std::span<const MapShape> inputs) const override {
    require(inputs[0].positions() == 1, "logits are 1 x 1 maps, got {} x {}", inputs[0].height,
            inputs[0].width);
    require(inputs[1] == (MapShape{1, 1, 1}), "there is one label a sample");
    const double smoothing = node.attributes.real_or("label_smoothing", 0);
    require(smoothing >= 0 && smoothing < 1, "label_smoothing lies in [0, 1), got {}", smoothing);
    const double weight = node.attributes.real_or("distillation", 0);
    const double temperature = node.attributes.real_or("temperature", 1);
    require(weight >= 0 && weight <= 1, "the weight of a distillation lies in [0, 1], got {}", weight);
    require(temperature > 0, "the temperature of a distillation is above 0, got {}", temperature);
    require((weight > 0) == (inputs.size() == 3), "a distillation has a teacher, and nothing else has one");
    require(inputs.size() == 2 || inputs[2] == inputs[0],
            "a teacher's logits are those of the same classes: {} are expected, got {}", inputs[0].channels,
            inputs.back().channels);
    return {1, 1, 1};
  }
  void channels(const Node& /*node*/, ChannelRule& rule) const override {
    rule.pin(rule.input(0));
    rule.set_output({rule.zero_channel()});
  }
};

}  // namespace

void add_elementwise_ops(std::vector<std::unique_ptr<Op>>& ops) {
  ops.push_back(std::make_unique<Input>());
  ops.push_back(std::make_unique<Relu>());
  ops.push_back(std::make_unique<Add>());
  ops.push_back(std::make_unique<Dropout>());
  ops.push_back(std::make_unique<SoftmaxCrossEntropy>());
}

}  // namespace secateur
