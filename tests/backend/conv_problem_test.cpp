// How a convolution node becomes what cuDNN is asked: stored widths, groups, keys, bytes. Figures by hand.
#include "secateur/backend/conv_problem.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "secateur/backend/gpu_description.h"
#include "secateur/core/error.h"
#include "secateur/core/slab.h"

namespace secateur {
namespace {

struct Widths {
  std::int64_t in, in_leading, out, out_leading, groups;
};

ConvGeometry geometry(const Widths& w, Precision precision = Precision::bf16) {
  const Node node{"c",
                  "conv2d",
                  {0},
                  {{"out_channels", w.out},
                   {"kernel", std::int64_t{3}},
                   {"padding", std::int64_t{1}},
                   {"groups", w.groups}}};
  const DType type = storage_type(precision);
  return conv_geometry(node, precision, Tensor(nullptr, type, {2, 5, 6, w.in}, w.in_leading),
                       Tensor(nullptr, type, {2, 5, 6, w.out}, w.out_leading));
}

// The declared ways, one row each: which layout, which channels and groups cuDNN sees, what is copied.
TEST(ConvGeometry, TheDeclaredWays) {
  struct Row {
    Widths widths;
    ConvLayout layout;
    std::int64_t in, out, groups;
    bool copies_input, copies_output;
  };
  const std::vector<Row> rows{{{16, 16, 32, 32, 1}, ConvLayout::dense, 16, 32, 1, false, false},
                              {{35, 40, 61, 64, 1}, ConvLayout::dense, 40, 64, 1, false, false},
                              {{3, 8, 1, 8, 1}, ConvLayout::dense, 8, 8, 1, false, false},
                              {{35, 35, 61, 61, 1}, ConvLayout::dense, 35, 61, 1, false, false},
                              {{12, 16, 12, 16, 12}, ConvLayout::depthwise, 16, 16, 16, false, false},
                              {{12, 16, 12, 12, 12}, ConvLayout::grouped, 12, 12, 12, true, false},
                              {{12, 16, 20, 24, 4}, ConvLayout::grouped, 12, 20, 4, true, true},
                              {{16, 16, 20, 24, 4}, ConvLayout::grouped, 16, 20, 4, false, true},
                              {{16, 16, 32, 32, 4}, ConvLayout::grouped, 16, 32, 4, false, false}};
  for (const Row& row : rows) {
    const ConvGeometry g = geometry(row.widths);
    SCOPED_TRACE(g.problem.to_string());
    EXPECT_EQ(g.layout, row.layout);
    EXPECT_EQ(g.problem.input.channels, row.in);
    EXPECT_EQ(g.problem.output.channels, row.out);
    EXPECT_EQ(g.problem.groups, row.groups);
    EXPECT_EQ(g.copies_input, row.copies_input);
    EXPECT_EQ(g.copies_output, row.copies_output);
    EXPECT_EQ(g.in_channels, row.widths.in);
    EXPECT_EQ(g.out_channels, row.widths.out);
    EXPECT_FALSE(g.uses_masters());
  }
}

TEST(ConvGeometry, MastersAreReadWhereTheyFit) {
  EXPECT_TRUE(geometry({35, 35, 61, 61, 1}, Precision::fp32).uses_masters());
  EXPECT_TRUE(geometry({35, 35, 61, 61, 1}, Precision::tf32).uses_masters());
  EXPECT_FALSE(geometry({35, 40, 61, 64, 1}, Precision::fp32).uses_masters());
  EXPECT_FALSE(geometry({16, 16, 16, 16, 1}, Precision::fp16).uses_masters());
}

TEST(ConvGeometry, MapsMustHaveFourExtents) {
  const Node node{"c", "conv2d", {0}, {{"out_channels", std::int64_t{1}}, {"kernel", std::int64_t{1}}}};
  const Tensor flat(nullptr, DType::f32, {2, 3});
  EXPECT_THROW(static_cast<void>(conv_geometry(node, Precision::fp32, flat, flat)), Error);
}

TEST(ConvProblem, EveryFieldIsPartOfTheKey) {
  const ConvProblem base = geometry({16, 16, 32, 32, 1}).problem;
  const std::vector<std::function<void(ConvProblem&)>> changes{
      [](auto& p) { p.pass = ConvPass::weight_gradient; },
      [](auto& p) { p.precision = Precision::fp16; },
      [](auto& p) { p.deterministic = true; },
      [](auto& p) { p.batch = 3; },
      [](auto& p) { p.input.height = 7; },
      [](auto& p) { p.input.width = 7; },
      [](auto& p) { p.input.channels = 24; },
      [](auto& p) { p.output.height = 7; },
      [](auto& p) { p.output.width = 7; },
      [](auto& p) { p.output.channels = 24; },
      [](auto& p) { p.kernel[1] = 1; },
      [](auto& p) { p.stride[0] = 2; },
      [](auto& p) { p.padding[1] = 0; },
      [](auto& p) { p.dilation[0] = 2; },
      [](auto& p) { p.groups = 2; }};
  std::set<ConvProblem> keys{base, base};
  for (const auto& change : changes) {
    ConvProblem changed = base;
    change(changed);
    keys.insert(changed);
  }
  EXPECT_EQ(keys.size(), 1 + changes.size());
}

TEST(ConvProblem, CountsByHand) {
  ConvProblem p = geometry({16, 16, 32, 32, 4}).problem;
  EXPECT_EQ(p.input_elements(), 2 * 5 * 6 * 16);
  EXPECT_EQ(p.output_elements(), 2 * 5 * 6 * 32);
  EXPECT_EQ(p.filter_elements(), 32 * 9 * 4);
  EXPECT_EQ(p.macs(), 2 * 5 * 6 * 32 * 9 * 4);
  EXPECT_EQ(p.bytes(), 2 * (960 + 1920 + 1152));
  EXPECT_EQ(p.to_string(), "forward of 2 x 5x6x16 -> 5x6x32, 3x3, stride 1, padding 1, 4 groups, bf16");
  // A 1x1 window with stride 2 reads every fourth position, and its gradient writes all.
  p = geometry({16, 16, 32, 32, 1}).problem;
  p.kernel = {1, 1};
  p.stride = {2, 2};
  p.input = {6, 6, 16};
  p.output = {3, 3, 32};
  EXPECT_EQ(p.bytes(), 2 * (2 * 9 * 16 + 2 * 9 * 32 + 16 * 32));
  p.pass = ConvPass::input_gradient;
  EXPECT_EQ(p.bytes(), 2 * (2 * 36 * 16 + 2 * 9 * 32 + 16 * 32));
}

TEST(ConvProblem, PaddingOfPrecisions) {
  EXPECT_EQ(gpu_channel_padding(Precision::bf16), 8);
  EXPECT_EQ(gpu_channel_padding(Precision::fp16), 8);
  EXPECT_EQ(gpu_channel_padding(Precision::fp32), 1);
  EXPECT_EQ(gpu_channel_padding(Precision::tf32), 1);
  EXPECT_EQ(align_up(35, 8), 40);
}

}  // namespace
}  // namespace secateur
