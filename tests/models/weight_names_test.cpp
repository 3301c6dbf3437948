// Names of parameters elsewhere, against a table written down from torchvision's and timm's state dicts.
#include "secateur/models/weight_names.h"

#include <gtest/gtest.h>

#include "io/temporary_folder.h"
#include "secateur/models/models.h"

namespace secateur::models {
namespace {

TEST(WeightNames, ResNetsAreTorchvisions) {
  for (const Naming naming : {Naming::torchvision, Naming::timm}) {
    const auto names = weight_names(build("resnet50"), naming);
    EXPECT_EQ(names.size(), 267U);  // torchvision's 320 without 53 num_batches_tracked
    EXPECT_EQ(names.at("conv1.weight"), "conv1.weight");
    EXPECT_EQ(names.at("bn1.scale"), "bn1.weight");
    EXPECT_EQ(names.at("bn1.shift"), "bn1.bias");
    EXPECT_EQ(names.at("bn1.running_variance"), "bn1.running_var");
    EXPECT_EQ(names.at("layer3.0.shortcut.conv.weight"), "layer3.0.downsample.0.weight");
    EXPECT_EQ(names.at("layer3.0.shortcut.bn.running_mean"), "layer3.0.downsample.1.running_mean");
    EXPECT_EQ(names.at("layer4.2.conv3.weight"), "layer4.2.conv3.weight");
    EXPECT_EQ(names.at("fc.bias"), "fc.bias");
  }
}

TEST(WeightNames, VggIsCounted) {
  const auto names = weight_names(build("vgg16"), Naming::torchvision);
  // torchvision's vgg16_bn: the convolutions.
  const std::vector<int> places{0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40};
  for (std::size_t i = 0; i < places.size(); ++i) {
    EXPECT_EQ(names.at(fmt::format("conv{}.weight", i + 1)), fmt::format("features.{}.weight", places[i]));
    EXPECT_EQ(names.at(fmt::format("bn{}.scale", i + 1)), fmt::format("features.{}.weight", places[i] + 1));
  }
  EXPECT_EQ(names.at("fc.weight"), "classifier.0.weight");
  EXPECT_EQ(weight_names(build("vgg16"), Naming::timm).at("fc.weight"), "head.fc.weight");
  const auto headed = weight_names(build("vgg19", {.head = 64}), Naming::torchvision);
  EXPECT_EQ(headed.at("fc1.bias"), "classifier.0.bias");
  EXPECT_EQ(headed.at("fc.bias"), "classifier.3.bias");
  EXPECT_ERROR((void)weight_names(build("vgg19", {.head = 64}), Naming::timm), "no counterpart", "fc1");
}

TEST(WeightNames, OwnNamesStay) {
  for (const auto& [own, name] : weight_names(build("resnet8"), Naming::own)) EXPECT_EQ(own, name);
  EXPECT_EQ(naming_from_name("plain"), Naming::own);
  EXPECT_ERROR((void)naming_from_name("torchvison"), "did you mean 'torchvision'?");
}

}  // namespace
}  // namespace secateur::models
