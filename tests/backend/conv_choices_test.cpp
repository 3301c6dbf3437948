// The file of convolutions' engines: read as it was written, and refused where it is damaged.
#include "secateur/backend/conv_choices.h"

#include <gtest/gtest.h>

#include "io/damaged_text.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

ConvProblem problem(std::int64_t channels) {
  ConvProblem p;
  p.pass = ConvPass::weight_gradient;
  p.precision = Precision::bf16;
  p.deterministic = true;
  p.batch = 128;
  p.input = {32, 32, channels};
  p.output = {16, 16, 24};
  p.kernel = {3, 3};
  p.stride = {2, 2};
  p.padding = {1, 1};
  return p;
}

ConvChoices some_choices() {
  ConvChoices choices("NVIDIA H200", 91900);
  choices.set(problem(16), {45, {{2, 13}, {13, -4}}, 3});
  choices.set(problem(8), {1, {}, 0});
  ConvProblem fused = problem(8);
  fused.fusion = ConvFusion::norm_act;
  choices.set(fused, {57, {}, 1});
  return choices;
}

TEST(ConvChoices, AreReadAsTheyWereWritten) {
  const ConvChoices choices = some_choices();
  const ConvChoices read = ConvChoices::parse(choices.to_json(), "file");
  EXPECT_EQ(read, choices);
  ASSERT_NE(read.find(problem(16)), nullptr);
  EXPECT_EQ(read.find(problem(16))->engine, 45);
  EXPECT_EQ(read.find(problem(24)), nullptr);
  ConvProblem other = problem(16);
  other.deterministic = false;
  EXPECT_EQ(read.find(other), nullptr) << "a choice holds for its own problem alone";
  ConvProblem fused = problem(8);
  EXPECT_EQ(read.find(fused)->engine, 1);
  fused.fusion = ConvFusion::norm_act;
  EXPECT_EQ(read.find(fused)->engine, 57);
}

ConvChoices parse(const std::string& text) { return ConvChoices::parse(text, "file"); }

TEST(ConvChoices, DamageIsNamedAndNeverCrashes) {
  test::expect_damage_is_named(some_choices().to_json(), std::string_view("\0009\"]", 4), parse);
}

// Files of the first version know no fusions.
TEST(ConvChoices, OlderFilesAreRead) {
  ConvChoices choices("NVIDIA H200", 91900);
  choices.set(problem(16), {45, {{2, 13}}, 3});
  std::string text = choices.to_json();
  const auto replace = [&](std::string_view what, std::string_view with) {
    const std::size_t place = text.find(what);
    ASSERT_NE(place, std::string::npos) << what;
    text.replace(place, what.size(), with);
  };
  replace("\"version\": 2", "\"version\": 1");
  replace("\"fusion\": \"none\",", "");
  EXPECT_EQ(parse(text), choices);
}

TEST(ConvChoices, WhatNoConvolutionHasIsRefused) {
  const std::string text = some_choices().to_json();
  const auto refused = [&](std::string_view what, std::string_view with, std::string_view told) {
    test::expect_refused(text, what, with, told, parse);
  };
  refused("weight_gradient", "sideways", "sideways");
  refused("bf16", "bf17", "bf17");
  refused("\"batch\": 128", "\"batch\": 0", "'batch'");
  refused("\"engine\": 45", "\"engine\": -1", "'engine'");
  refused("\"groups\": 1", "\"groups\": 99999999999999999999", "'groups'");
  refused("\"deterministic\": true", "\"deterministic\": 1", "'deterministic'");
  refused("secateur convolution choices", "layer times", "layer times");
  refused("\"version\": 2", "\"version\": 7", "version 7");
  refused("norm_act", "norm", "'norm'");
  refused("13,", "13, 5,", "in turns");
}

}  // namespace
}  // namespace secateur
