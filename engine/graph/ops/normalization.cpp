#include "graph/builtin_ops.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

// batch_norm: attributes epsilon (1e-5), momentum (0.1); scale, shift, running_mean, running_variance [C].
// Training normalises by the batch's biased variance; the running variance takes the unbiased one.
class BatchNorm : public Op {
 public:
  std::string_view name() const override { return "batch_norm"; }
  OpStage stage() const override { return OpStage::normalization; }

  MapShape output_shape(const Node& node, std::span<const MapShape> inputs) const override {
    require(node.attributes.real_or("epsilon", 1e-5) > 0, "epsilon is positive");
    const double momentum = node.attributes.real_or("momentum", 0.1);
    require(momentum >= 0 && momentum <= 1, "momentum lies in [0, 1], got {}", momentum);
    return inputs[0];
  }

  std::vector<ParameterSpec> parameters(const Node& /*node*/,
                                        std::span<const MapShape> inputs) const override {
    const Shape shape{inputs[0].channels};
    const std::vector<AxisRole> axes{AxisRole::output};
    return {{"scale", ParameterKind::norm_scale, shape, axes, 0, 1},
            {"shift", ParameterKind::norm_shift, shape, axes, 0, 1},
            {"running_mean", ParameterKind::running_mean, shape, axes, 0, 1},
            {"running_variance", ParameterKind::running_variance, shape, axes, 0, 1}};
  }

  void channels(const Node& /*node*/, ChannelRule& rule) const override { rule.pass_on(0); }
};

// batch_norm_act: relu(batch_norm(x) + residual), fused; attribute relu (1). Made by the fusion pass of a
// Program, never by a model, so that a stored graph holds plain ops only.
class BatchNormAct final : public BatchNorm {
 public:
  std::string_view name() const override { return "batch_norm_act"; }
  std::pair<int, int> arity() const override { return {1, 2}; }
  OpStage stage() const override { return OpStage::activation; }

  MapShape output_shape(const Node& node, std::span<const MapShape> inputs) const override {
    require(inputs.size() == 1 || inputs[0] == inputs[1],
            "the residual has another shape than the normalised map");
    return BatchNorm::output_shape(node, inputs);
  }

  void channels(const Node& /*node*/, ChannelRule& rule) const override {
    rule.pass_on(0);
    fail("batch_norm_act belongs to a Program's fused graph, which is never pruned");
  }
};

}  // namespace

void add_normalization_ops(std::vector<std::unique_ptr<Op>>& ops) {
  ops.push_back(std::make_unique<BatchNorm>());
  ops.push_back(std::make_unique<BatchNormAct>());
}

}  // namespace secateur
