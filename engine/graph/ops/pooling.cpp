#include "graph/builtin_ops.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

// max_pool, avg_pool: attributes kernel, stride (= kernel), padding (0). Padding counts as minus infinity,
// or, for the average, not at all (count_include_pad 0) or as zeros (1).
class WindowPool : public Op {
 public:
  MapShape output_shape(const Node& node, std::span<const MapShape> inputs) const override {
    const Attributes& a = node.attributes;
    require(a.contains("kernel"), "attribute 'kernel' is missing");
    const auto kernel = a.pair_or("kernel", 1);
    const auto stride = a.contains("stride") ? a.pair_or("stride", 1) : kernel;
    const auto padding = a.pair_or("padding", 0);
    require(2 * padding[0] <= kernel[0] && 2 * padding[1] <= kernel[1],
            "padding is at most half of the kernel");
    return {window_output(inputs[0].height, kernel[0], stride[0], padding[0], 1),
            window_output(inputs[0].width, kernel[1], stride[1], padding[1], 1), inputs[0].channels};
  }
  void channels(const Node& /*node*/, ChannelRule& rule) const override { rule.pass_on(0); }
};

class MaxPool final : public WindowPool {
 public:
  std::string_view name() const override { return "max_pool"; }
};

class AveragePool final : public WindowPool {
 public:
  std::string_view name() const override { return "avg_pool"; }
};

// global_avg_pool: the mean over all positions.
class GlobalAveragePool final : public Op {
 public:
  std::string_view name() const override { return "global_avg_pool"; }
  MapShape output_shape(const Node& /*node*/, std::span<const MapShape> inputs) const override {
    return {1, 1, inputs[0].channels};
  }
  void channels(const Node& /*node*/, ChannelRule& rule) const override { rule.pass_on(0); }
};

}  // namespace

void add_pooling_ops(std::vector<std::unique_ptr<Op>>& ops) {
  ops.push_back(std::make_unique<MaxPool>());
  ops.push_back(std::make_unique<AveragePool>());
  ops.push_back(std::make_unique<GlobalAveragePool>());
}

}  // namespace secateur
