// The ops that come with the engine, by family. Attributes and semantics stand with each op's class.
#pragma once

#include <memory>
#include <vector>

#include "secateur/graph/op.h"

namespace secateur {

void add_filter_ops(std::vector<std::unique_ptr<Op>>& ops);  // conv2d, folded_conv2d, norm_act_conv2d, linear
void add_normalization_ops(std::vector<std::unique_ptr<Op>>& ops);  // batch_norm, batch_norm_act
void add_pooling_ops(std::vector<std::unique_ptr<Op>>& ops);        // max_pool, avg_pool, global_avg_pool
void add_elementwise_ops(
    std::vector<std::unique_ptr<Op>>& ops);  // input, relu, add, dropout, softmax_cross_entropy
void add_channel_ops(
    std::vector<std::unique_ptr<Op>>& ops);  // concat, flatten, pad_channels, gather_channels, scatter_add

[[nodiscard]] inline std::vector<std::unique_ptr<Op>> make_builtin_ops() {
  std::vector<std::unique_ptr<Op>> ops;
  add_filter_ops(ops);
  add_normalization_ops(ops);
  add_pooling_ops(ops);
  add_elementwise_ops(ops);
  add_channel_ops(ops);
  return ops;
}

// Output extent of a sliding window; throws Error where the window does not fit.
[[nodiscard]] std::int64_t window_output(std::int64_t extent, std::int64_t kernel, std::int64_t stride,
                                         std::int64_t padding, std::int64_t dilation);

}  // namespace secateur
