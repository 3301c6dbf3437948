#include <algorithm>
#include <iterator>

#include "graph/builtin_ops.h"
#include "secateur/core/error.h"

namespace secateur {

std::int64_t window_output(std::int64_t extent, std::int64_t kernel, std::int64_t stride,
                           std::int64_t padding, std::int64_t dilation) {
  require(kernel >= 1 && stride >= 1 && padding >= 0 && dilation >= 1,
          "kernel, stride and dilation are at least 1 and padding is not negative; got {}, {}, {} and {}",
          kernel, stride, dilation, padding);
  constexpr std::int64_t kLimit = 1 << 20;
  require(kernel < kLimit && stride < kLimit && padding < kLimit && dilation < kLimit,
          "kernel, stride, padding and dilation are below {}", kLimit);
  const std::int64_t span = dilation * (kernel - 1) + 1;
  require(extent + 2 * padding >= span, "a window of {} does not fit into {} with padding {}", span, extent,
          padding);
  return (extent + 2 * padding - span) / stride + 1;
}

namespace {

// conv2d: attributes out_channels, kernel, stride (1), padding (0), dilation (1), groups (1), bias (0).
// weight [K, R, S, C / groups], bias [K]. Cross-correlation, as in every framework.
class Conv2d : public Op {
 public:
  std::string_view name() const override { return "conv2d"; }
  OpStage stage() const override { return OpStage::producer; }

  MapShape output_shape(const Node& node, std::span<const MapShape> inputs) const override {
    const MapShape& in = inputs[0];
    const Attributes& a = node.attributes;
    const std::int64_t channels = a.integer("out_channels");
    const std::int64_t groups = a.integer_or("groups", 1);
    require(channels >= 1, "out_channels is at least 1, got {}", channels);
    require(groups >= 1 && in.channels % groups == 0 && channels % groups == 0,
            "{} input and {} output channels cannot be split into {} groups", in.channels, channels, groups);
    require(a.contains("kernel"), "attribute 'kernel' is missing");
    const auto kernel = a.pair_or("kernel", 1);
    const auto stride = a.pair_or("stride", 1);
    const auto padding = a.pair_or("padding", 0);
    const auto dilation = a.pair_or("dilation", 1);
    return {window_output(in.height, kernel[0], stride[0], padding[0], dilation[0]),
            window_output(in.width, kernel[1], stride[1], padding[1], dilation[1]), channels};
  }

  std::vector<ParameterSpec> parameters(const Node& node, std::span<const MapShape> inputs) const override {
    const Attributes& a = node.attributes;
    const std::int64_t channels = a.integer("out_channels");
    const std::int64_t groups = a.integer_or("groups", 1);
    const auto kernel = a.pair_or("kernel", 1);
    const std::int64_t group_channels = inputs[0].channels / groups;
    ParameterSpec weight;
    weight.role = "weight";
    weight.shape = {channels, kernel[0], kernel[1], group_channels};
    weight.axes = {AxisRole::output, AxisRole::fixed, AxisRole::fixed,
                   groups == 1 ? AxisRole::input : AxisRole::grouped_input};
    weight.fan_in = kernel[0] * kernel[1] * group_channels;
    weight.groups = groups;
    std::vector<ParameterSpec> specs{weight};
    if (a.integer_or("bias", 0) != 0) {
      specs.push_back({"bias", ParameterKind::bias, {channels}, {AxisRole::output}, weight.fan_in, 1});
    }
    return specs;
  }

  std::int64_t macs(const Node& node, std::span<const MapShape> inputs,
                    const MapShape& output) const override {
    const auto kernel = node.attributes.pair_or("kernel", 1);
    return output.count() * kernel[0] * kernel[1] *
           (inputs[0].channels / node.attributes.integer_or("groups", 1));
  }

  void channels(const Node& node, ChannelRule& rule) const override {
    const std::int64_t groups = node.attributes.integer_or("groups", 1);
    const std::int64_t count = node.attributes.integer("out_channels");
    const auto in = rule.input(0);
    if (is_depthwise(node, static_cast<std::int64_t>(in.size()))) {
      rule.pass_on(0);
      return;
    }
    const auto lanes = rule.produce(count);
    if (groups > 1) {
      rule.keep_groups_equal(in, groups);
      rule.keep_groups_equal(lanes, groups);
    }
  }

  void keep_channels(Node& node, std::span<const std::vector<std::int64_t>> kept_inputs,
                     std::span<const std::int64_t> kept_output) const override {
    const std::int64_t groups = node.attributes.integer_or("groups", 1);
    const std::int64_t before = node.attributes.integer("out_channels");
    const auto after = static_cast<std::int64_t>(kept_output.size());
    // Depthwise layers have one group a channel, and lose groups with channels.
    if (groups > 1 && groups == before && kept_inputs[0].size() == kept_output.size()) {
      node.attributes.set("groups", after);
    }
    node.attributes.set("out_channels", after);
  }

 private:
  static bool is_depthwise(const Node& node, std::int64_t in_channels) {
    const std::int64_t groups = node.attributes.integer_or("groups", 1);
    return groups > 1 && groups == in_channels && groups == node.attributes.integer("out_channels");
  }
};

// folded_conv2d: relu(batch_norm(conv2d(x)) + residual) by running statistics; the attributes of conv2d, and
// epsilon (1e-5), relu (1). Parameters: those of the convolution, then those of the batch norm. Made for
// Programs with frozen parameters, never by a model.
class FoldedConv2d final : public Conv2d {
 public:
  std::string_view name() const override { return "folded_conv2d"; }
  std::pair<int, int> arity() const override { return {1, 2}; }
  OpStage stage() const override { return OpStage::activation; }

  MapShape output_shape(const Node& node, std::span<const MapShape> inputs) const override {
    const MapShape output = Conv2d::output_shape(node, inputs.first(1));
    require(inputs.size() == 1 || inputs[1] == output,
            "the residual has another shape than the convolution's map");
    return output;
  }

  std::vector<ParameterSpec> parameters(const Node& node, std::span<const MapShape> inputs) const override {
    std::vector<ParameterSpec> specs = Conv2d::parameters(node, inputs);
    const Shape shape{node.attributes.integer("out_channels")};
    const std::vector<AxisRole> axes{AxisRole::output};
    specs.push_back({"scale", ParameterKind::norm_scale, shape, axes, 0, 1});
    specs.push_back({"shift", ParameterKind::norm_shift, shape, axes, 0, 1});
    specs.push_back({"running_mean", ParameterKind::running_mean, shape, axes, 0, 1});
    specs.push_back({"running_variance", ParameterKind::running_variance, shape, axes, 0, 1});
    return specs;
  }

  void channels(const Node& /*node*/, ChannelRule& /*rule*/) const override {
    fail("folded_conv2d belongs to a Program's executed graph, which is never pruned");
  }
};

// norm_act_conv2d: conv2d(relu(batch_norm(x))) by batch statistics that come with x as sums over its
// channels; gives the sums of its own output's. The attributes of conv2d, and epsilon (1e-5), momentum (0.1)
// of the batch norm. Parameters: those of the batch norm, then those of the convolution. Made for training
// Programs (graph/conv_fusion.h), never by a model.
class NormActConv2d final : public Conv2d {
 public:
  std::string_view name() const override { return "norm_act_conv2d"; }

  std::vector<ParameterSpec> parameters(const Node& node, std::span<const MapShape> inputs) const override {
    const Shape shape{inputs[0].channels};
    const std::vector<AxisRole> axes{AxisRole::input};
    std::vector<ParameterSpec> specs{
        {"scale", ParameterKind::norm_scale, shape, axes, 0, 1},
        {"shift", ParameterKind::norm_shift, shape, axes, 0, 1},
        {"running_mean", ParameterKind::running_mean, shape, axes, 0, 1},
        {"running_variance", ParameterKind::running_variance, shape, axes, 0, 1}};
    std::ranges::move(Conv2d::parameters(node, inputs), std::back_inserter(specs));
    return specs;
  }

  void channels(const Node& /*node*/, ChannelRule& /*rule*/) const override {
    fail("norm_act_conv2d belongs to a Program's executed graph, which is never pruned");
  }
};

// linear: attributes out_features, bias (1). Input [1, 1, F]; weight [K, F], bias [K].
class Linear final : public Op {
 public:
  std::string_view name() const override { return "linear"; }
  OpStage stage() const override { return OpStage::producer; }

  MapShape output_shape(const Node& node, std::span<const MapShape> inputs) const override {
    require(inputs[0].positions() == 1,
            "a linear layer reads 1 x 1 maps (flatten or pool first), got {} x {}", inputs[0].height,
            inputs[0].width);
    return {1, 1, node.attributes.integer("out_features")};
  }

  std::vector<ParameterSpec> parameters(const Node& node, std::span<const MapShape> inputs) const override {
    const std::int64_t features = node.attributes.integer("out_features");
    const std::int64_t fan_in = inputs[0].channels;
    std::vector<ParameterSpec> specs;
    specs.push_back({"weight",
                     ParameterKind::weight,
                     {features, fan_in},
                     {AxisRole::output, AxisRole::input},
                     fan_in,
                     1});
    if (node.attributes.integer_or("bias", 1) != 0) {
      specs.push_back({"bias", ParameterKind::bias, {features}, {AxisRole::output}, fan_in, 1});
    }
    return specs;
  }

  std::int64_t macs(const Node& /*node*/, std::span<const MapShape> inputs,
                    const MapShape& output) const override {
    return inputs[0].channels * output.channels;
  }

  void channels(const Node& node, ChannelRule& rule) const override {
    rule.produce(node.attributes.integer("out_features"));
  }

  void keep_channels(Node& node, std::span<const std::vector<std::int64_t>> /*kept_inputs*/,
                     std::span<const std::int64_t> kept_output) const override {
    node.attributes.set("out_features", static_cast<std::int64_t>(kept_output.size()));
  }
};

}  // namespace

void add_filter_ops(std::vector<std::unique_ptr<Op>>& ops) {
  ops.push_back(std::make_unique<Conv2d>());
  ops.push_back(std::make_unique<FoldedConv2d>());
  ops.push_back(std::make_unique<NormActConv2d>());
  ops.push_back(std::make_unique<Linear>());
}

}  // namespace secateur
