// What is said of convolutions that batch norm was fused into.
#include "secateur/fusion_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "secateur/core/error.h"

namespace secateur::app {
namespace {

const std::vector<ConvFusionChoice> kChoices{{"stem", ConvFusion::statistics, "reads no batch norm"},
                                             {"conv1", ConvFusion::norm_act, ""},
                                             {"conv2", ConvFusion::none, "has groups"},
                                             {"conv3", ConvFusion::none, "has groups"}};

TEST(FusionText, CountsAndReasonsTheMostFrequentFirst) {
  EXPECT_EQ(
      conv_fusion_text(kChoices),
      "batch norm in convolutions: 1 apply it to what they read, 1 take its statistics alone, 2 neither "
      "(2: has groups; 1: reads no batch norm)");
  EXPECT_EQ(conv_fusion_text({}), "");
}

TEST(FusionText, EveryLayerInTheReport) {
  const nlohmann::json report = conv_fusion_json(kChoices);
  EXPECT_EQ(report.at("norm_act"), 1);
  EXPECT_EQ(report.at("statistics"), 1);
  EXPECT_EQ(report.at("none"), 2);
  ASSERT_EQ(report.at("layers").size(), 4U);
  EXPECT_EQ(report.at("layers")[2],
            nlohmann::json({{"layer", "conv2"}, {"fusion", "none"}, {"reason", "has groups"}}));
}

TEST(FusionText, TheOptionHasTwoWords) {
  EXPECT_TRUE(fuses_convolutions("auto"));
  EXPECT_FALSE(fuses_convolutions("off"));
  EXPECT_THROW(static_cast<void>(fuses_convolutions("on")), Error);
}

}  // namespace
}  // namespace secateur::app
