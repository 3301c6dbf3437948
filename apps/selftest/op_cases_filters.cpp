// conv2d and linear.
#include <fmt/format.h>

#include "selftest/op_case.h"

namespace secateur::selftest {
namespace {

struct Convolution {
  std::int64_t extent, in, out;
  std::int64_t kernel = 3, stride = 1, padding = 1, dilation = 1, groups = 1, bias = 0;
  std::int64_t batch = 1, channel_padding = 1;
};

OpCase convolution(const std::string& name, const Convolution& c) {
  return {.name = "conv2d_" + name,
          .op = "conv2d",
          .attributes = {{"out_channels", c.out},
                         {"kernel", c.kernel},
                         {"stride", c.stride},
                         {"padding", c.padding},
                         {"dilation", c.dilation},
                         {"groups", c.groups},
                         {"bias", c.bias}},
          .inputs = {{c.extent, c.extent, c.in}},
          .batch = c.batch,
          .channel_padding = c.channel_padding};
}

OpCase linear(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t bias,
              std::int64_t batch, std::int64_t channel_padding) {
  return {.name = "linear_" + name,
          .op = "linear",
          .attributes = {{"out_features", out}, {"bias", bias}},
          .inputs = {{1, 1, in}},
          .batch = batch,
          .channel_padding = channel_padding};
}

void add_network_layers(std::vector<OpCase>& cases) {
  cases.push_back(convolution("vgg_first", {.extent = 32, .in = 3, .out = 64, .batch = 2}));
  cases.back().input_gradients = {false};
  cases.push_back(convolution("vgg_second", {.extent = 32, .in = 64, .out = 64}));
  cases.push_back(convolution("vgg_stage2", {.extent = 16, .in = 64, .out = 128}));
  cases.push_back(convolution("vgg_stage3", {.extent = 8, .in = 128, .out = 256}));
  cases.push_back(convolution("vgg_stage4", {.extent = 4, .in = 256, .out = 512}));
  cases.push_back(convolution("vgg_stage5", {.extent = 2, .in = 512, .out = 512}));
  cases.push_back(convolution("resnet_stem", {.extent = 32, .in = 3, .out = 16, .batch = 5}));
  cases.push_back(convolution("resnet_stage1", {.extent = 32, .in = 16, .out = 16, .batch = 5}));
  cases.push_back(
      convolution("resnet_stage2_first", {.extent = 32, .in = 16, .out = 32, .stride = 2, .batch = 5}));
  cases.push_back(
      convolution("resnet_shortcut",
                  {.extent = 16, .in = 32, .out = 64, .kernel = 1, .stride = 2, .padding = 0, .batch = 5}));
  cases.push_back(convolution("resnet_stage3", {.extent = 8, .in = 64, .out = 64, .batch = 5}));
  cases.push_back(linear("vgg_head", 512, 10, 1, 5, 1));
  cases.push_back(linear("resnet_head", 64, 10, 1, 5, 1));
}

// What pruning leaves: any width next to any other, stored densely and in padded lanes.
void add_odd_widths(std::vector<OpCase>& cases) {
  constexpr std::int64_t kWidths[] = {1, 3, 7, 35, 61};
  for (const std::int64_t batch : {1, 5}) {
    for (std::size_t i = 0; i < std::size(kWidths); ++i) {
      const std::int64_t in = kWidths[i];
      const std::int64_t out = kWidths[(i + 2) % std::size(kWidths)];
      const std::int64_t lanes = i % 2 == 0 ? 8 : 1;
      for (const std::int64_t kernel : {1, 3, 5}) {
        const std::int64_t stride = (i + static_cast<std::size_t>(kernel)) % 3 == 0 ? 2 : 1;
        cases.push_back(
            convolution(fmt::format("{}to{}_k{}s{}_lanes{}_b{}", in, out, kernel, stride, lanes, batch),
                        {.extent = 9,
                         .in = in,
                         .out = out,
                         .kernel = kernel,
                         .stride = stride,
                         .padding = kernel / 2,
                         .batch = batch,
                         .channel_padding = lanes}));
      }
      cases.push_back(linear(fmt::format("{}to{}_lanes{}_b{}", in, out, lanes, batch), in, out,
                             lanes == 8 ? 1 : 0, batch, lanes));
    }
  }
}

void add_attributes(std::vector<OpCase>& cases) {
  cases.push_back(
      convolution("bias", {.extent = 8, .in = 7, .out = 13, .bias = 1, .batch = 5, .channel_padding = 8}));
  cases.push_back(convolution("no_padding", {.extent = 9, .in = 6, .out = 5, .padding = 0, .batch = 2}));
  cases.push_back(convolution("wide_padding", {.extent = 5, .in = 6, .out = 5, .padding = 2, .batch = 2}));
  cases.push_back(
      convolution("dilation", {.extent = 11, .in = 7, .out = 9, .padding = 2, .dilation = 2, .batch = 2}));
  cases.push_back(convolution("dilation_and_stride", {.extent = 12,
                                                      .in = 8,
                                                      .out = 6,
                                                      .stride = 2,
                                                      .padding = 3,
                                                      .dilation = 3,
                                                      .bias = 1,
                                                      .batch = 2,
                                                      .channel_padding = 8}));
  cases.push_back(convolution("stride_leaves_a_rest",
                              {.extent = 10, .in = 5, .out = 6, .stride = 3, .padding = 0, .batch = 2}));
  cases.push_back(
      convolution("groups", {.extent = 8, .in = 12, .out = 18, .groups = 3, .bias = 1, .batch = 5}));
  cases.push_back(
      convolution("groups_of_odd_width",
                  {.extent = 8, .in = 21, .out = 35, .groups = 7, .batch = 2, .channel_padding = 8}));
  cases.push_back(convolution("depthwise", {.extent = 8, .in = 35, .out = 35, .groups = 35, .batch = 5}));
  cases.push_back(convolution("depthwise_strided", {.extent = 9,
                                                    .in = 16,
                                                    .out = 16,
                                                    .kernel = 5,
                                                    .stride = 2,
                                                    .padding = 2,
                                                    .groups = 16,
                                                    .bias = 1,
                                                    .batch = 2,
                                                    .channel_padding = 8}));
  cases.push_back(
      convolution("depthwise_multiplier", {.extent = 8, .in = 7, .out = 14, .groups = 7, .batch = 2}));
  cases.push_back(
      convolution("narrow_shortcut",
                  {.extent = 8, .in = 4, .out = 6, .kernel = 1, .stride = 2, .padding = 0, .batch = 6}));
  cases.push_back(
      convolution("one_pixel", {.extent = 1, .in = 61, .out = 35, .batch = 5, .channel_padding = 8}));
  cases.push_back({.name = "conv2d_unequal_axes",
                   .op = "conv2d",
                   .attributes = {{"out_channels", std::int64_t{10}},
                                  {"kernel", std::vector<std::int64_t>{1, 5}},
                                  {"stride", std::vector<std::int64_t>{2, 1}},
                                  {"padding", std::vector<std::int64_t>{0, 2}},
                                  {"dilation", std::vector<std::int64_t>{1, 2}}},
                   .inputs = {{7, 12, 6}},
                   .batch = 2});
}

}  // namespace

void add_filter_cases(std::vector<OpCase>& cases) {
  add_network_layers(cases);
  add_odd_widths(cases);
  add_attributes(cases);
}

}  // namespace secateur::selftest
