// Ops on maps that have no filters: normalisation, pooling, elementwise ops, the loss, and channels that
// move.
#include <fmt/format.h>

#include "selftest/op_case.h"

namespace secateur::selftest {
namespace {

using Table = std::vector<std::int64_t>;
constexpr MapShape kSmall{4, 5, 7};

std::vector<MapShape> copies(const MapShape& shape, std::size_t count) {
  return std::vector<MapShape>(count, shape);
}

void add_batch_norm(std::vector<OpCase>& cases, const std::string& name, const MapShape& shape,
                    std::int64_t batch, std::int64_t lanes) {
  for (const bool batch_statistics : {false, true}) {
    const std::string suffix =
        fmt::format("{}_{}_lanes{}_b{}", name, batch_statistics ? "batch" : "running", lanes, batch);
    OpCase one{.name = "batch_norm_" + suffix,
               .op = "batch_norm",
               .attributes = {{"epsilon", 1e-3}, {"momentum", 0.3}},
               .inputs = {shape},
               .batch = batch,
               .channel_padding = lanes,
               .batch_statistics = batch_statistics};
    cases.push_back(one);
    one.op = "batch_norm_act";
    one.attributes = {};
    one.name = "batch_norm_relu_" + suffix;
    cases.push_back(one);
    one.inputs = copies(shape, 2);
    one.name = "batch_norm_residual_relu_" + suffix;
    cases.push_back(one);
    one.attributes.set("relu", std::int64_t{0});
    one.name = "batch_norm_residual_" + suffix;
    cases.push_back(one);
  }
}

OpCase pool(const std::string& name, const std::string& op, const MapShape& shape, Attributes attributes,
            std::int64_t batch, std::int64_t lanes) {
  return {.name = op + "_" + name,
          .op = op,
          .attributes = std::move(attributes),
          .inputs = {shape},
          .batch = batch,
          .channel_padding = lanes,
          .values = op == "max_pool" ? InputValues::distinct : InputValues::normal};
}

OpCase loss(const std::string& name, std::int64_t classes, std::int64_t batch, double smoothing,
            std::int64_t lanes) {
  return {.name = "softmax_cross_entropy_" + name,
          .op = "softmax_cross_entropy",
          .attributes = {{"label_smoothing", smoothing}},
          .inputs = {{1, 1, classes}, {1, 1, 1}},
          .batch = batch,
          .channel_padding = lanes,
          .values = InputValues::labels};
}

// Beside a teacher's logits, which take no gradient.
OpCase taught_loss(const std::string& name, std::int64_t classes, std::int64_t batch, double weight,
                   double temperature, std::int64_t lanes) {
  OpCase taught = loss(name, classes, batch, 0.1, lanes);
  taught.attributes.set("distillation", weight);
  taught.attributes.set("temperature", temperature);
  taught.inputs.push_back(taught.inputs[0]);
  taught.input_gradients = {true, false, false};
  return taught;
}

OpCase on_tables(const std::string& name, const std::string& op, std::vector<MapShape> inputs, Table table,
                 std::int64_t batch, std::int64_t lanes) {
  return {.name = op + "_" + name,
          .op = op,
          .attributes = {{"table", std::move(table)}},
          .inputs = std::move(inputs),
          .batch = batch,
          .channel_padding = lanes};
}

}  // namespace

void add_normalization_cases(std::vector<OpCase>& cases) {
  add_batch_norm(cases, "vgg", {16, 16, 64}, 2, 1);
  add_batch_norm(cases, "wide", {2, 2, 512}, 5, 1);
  add_batch_norm(cases, "one", {9, 9, 1}, 5, 1);
  add_batch_norm(cases, "three", {9, 9, 3}, 1, 8);
  add_batch_norm(cases, "odd", {7, 5, 35}, 5, 8);
  add_batch_norm(cases, "odd", {8, 8, 61}, 1, 1);
  add_batch_norm(cases, "one_pixel", {1, 1, 61}, 5, 8);
  add_batch_norm(cases, "one_value", {1, 1, 7}, 1, 1);
}

void add_pooling_cases(std::vector<OpCase>& cases) {
  using Integer = std::int64_t;
  for (const std::string op : {"max_pool", "avg_pool"}) {
    cases.push_back(pool("vgg", op, {16, 16, 64}, {{"kernel", Integer{2}}}, 2, 1));
    cases.push_back(pool("overlap", op, {9, 9, 35},
                         {{"kernel", Integer{3}}, {"stride", Integer{2}}, {"padding", Integer{1}}}, 5, 8));
    cases.push_back(pool("rest", op, {7, 8, 61}, {{"kernel", Integer{3}}}, 1, 1));
    cases.push_back(pool("unequal_axes", op, {6, 9, 7},
                         {{"kernel", Table{2, 3}}, {"stride", Table{1, 2}}, {"padding", Table{1, 0}}}, 5, 1));
    cases.push_back(pool("one_lane", op, {4, 4, 1}, {{"kernel", Integer{2}}, {"stride", Integer{1}}}, 1, 8));
    // More positions than one byte can number.
    cases.push_back(
        pool("large_window", op, {18, 18, 3}, {{"kernel", Integer{17}}, {"stride", Integer{1}}}, 1, 1));
  }
  cases.push_back(pool("ties", "max_pool", {9, 8, 35},
                       {{"kernel", Integer{3}}, {"stride", Integer{2}}, {"padding", Integer{1}}}, 2, 8));
  cases.back().values = InputValues::tied;
  cases.push_back(pool("padding_counts", "avg_pool", {9, 9, 35},
                       {{"kernel", Integer{3}},
                        {"stride", Integer{2}},
                        {"padding", Integer{1}},
                        {"count_include_pad", Integer{1}}},
                       5, 8));
  cases.push_back(pool("resnet", "global_avg_pool", {8, 8, 64}, {}, 5, 1));
  cases.push_back(pool("odd", "global_avg_pool", {7, 3, 61}, {}, 1, 8));
  cases.push_back(pool("one_pixel", "global_avg_pool", {1, 1, 3}, {}, 5, 1));
}

void add_elementwise_cases(std::vector<OpCase>& cases) {
  for (const std::int64_t lanes : {1, 8}) {
    cases.push_back({.name = fmt::format("relu_lanes{}", lanes),
                     .op = "relu",
                     .inputs = {{8, 8, 61}},
                     .batch = 5,
                     .channel_padding = lanes});
    cases.push_back({.name = fmt::format("add_two_lanes{}", lanes),
                     .op = "add",
                     .inputs = copies({8, 8, 35}, 2),
                     .batch = 5,
                     .channel_padding = lanes});
    for (const bool active : {false, true}) {
      cases.push_back({.name = fmt::format("dropout_{}_lanes{}", active ? "training" : "inference", lanes),
                       .op = "dropout",
                       .attributes = {{"rate", 0.3}},
                       .inputs = {{1, 1, 61}},
                       .batch = 5,
                       .channel_padding = lanes,
                       .batch_statistics = active});
    }
  }
  cases.push_back({.name = "relu_one", .op = "relu", .inputs = {{1, 1, 1}}});
  cases.push_back({.name = "add_four", .op = "add", .inputs = copies(kSmall, 4), .batch = 2});
  cases.push_back({.name = "add_one_gradient_wanted",
                   .op = "add",
                   .inputs = copies(kSmall, 2),
                   .input_gradients = {false, true}});
  cases.push_back({.name = "dropout_after_pruning",
                   .op = "dropout",
                   .attributes = {{"rate", 0.5},
                                  {"origin", Table{0, 3, 4, 9, 20}},
                                  {"original_channels", std::int64_t{21}}},
                   .inputs = {{3, 2, 5}},
                   .batch = 5,
                   .batch_statistics = true});
  cases.push_back(loss("cifar10", 10, 12, 0, 1));
  cases.push_back(loss("smoothing", 61, 5, 0.1, 8));
  cases.push_back(loss("imagenet", 1000, 3, 0, 8));
  cases.push_back(loss("two_classes", 2, 1, 0.2, 1));
  cases.push_back(taught_loss("taught", 10, 12, 0.5, 4, 1));
  cases.push_back(taught_loss("taught_by_scores_alone", 61, 5, 1, 1, 8));
}

void add_channel_cases(std::vector<OpCase>& cases) {
  for (const std::int64_t lanes : {1, 8}) {
    cases.push_back({.name = fmt::format("concat_lanes{}", lanes),
                     .op = "concat",
                     .inputs = {{4, 5, 3}, {4, 5, 61}, {4, 5, 1}},
                     .batch = 5,
                     .channel_padding = lanes});
    cases.push_back({.name = fmt::format("flatten_lanes{}", lanes),
                     .op = "flatten",
                     .inputs = {{3, 2, 35}},
                     .batch = 5,
                     .channel_padding = lanes});
    cases.push_back(on_tables(fmt::format("lanes{}", lanes), "pad_channels", {kSmall},
                              {-1, -1, 4, 0, -1, 6, 2, -1}, 5, lanes));
    cases.push_back(on_tables(fmt::format("lanes{}", lanes), "gather_channels", {kSmall},
                              {6, 0, 0, 3, 0, 5, 5, 6, 1}, 5, lanes));
    cases.push_back(on_tables(fmt::format("lanes{}", lanes), "scatter_add", {{4, 5, 9}, {4, 5, 4}},
                              {8, 2, 0, 5}, 5, lanes));
  }
  cases.push_back({.name = "concat_one", .op = "concat", .inputs = {kSmall}});
  cases.push_back({.name = "concat_one_gradient_wanted",
                   .op = "concat",
                   .inputs = copies(kSmall, 3),
                   .batch = 2,
                   .input_gradients = {false, true, false}});
  cases.push_back(on_tables("one", "gather_channels", {kSmall}, {3}, 1, 8));
  cases.push_back(on_tables("only_zeros", "pad_channels", {kSmall}, {-1, -1}, 1, 1));
  cases.push_back(on_tables("repeats", "scatter_add", {{2, 3, 5}, {2, 3, 4}}, {1, 1, 4, 1}, 2, 1));
}

}  // namespace secateur::selftest
