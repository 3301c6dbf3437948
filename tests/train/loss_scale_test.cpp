#include "secateur/train/loss_scale.h"

#include <gtest/gtest.h>

#include "secateur/core/error.h"

namespace secateur {
namespace {

TEST(LossScale, IsOneButInFp16) {
  for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp64}) {
    LossScale scale(precision);
    EXPECT_FALSE(scale.active());
    EXPECT_EQ(scale.value(), 1);
    scale.update(true);
    EXPECT_EQ(scale.value(), 1);
  }
  EXPECT_EQ(LossScale(Precision::fp16).value(), 65536);
}

TEST(LossScale, HalvesAtOnceAndDoublesAfterAnInterval) {
  LossScale scale(Precision::fp16, {.start = 8, .smallest = 1, .largest = 32, .interval = 3});
  scale.update(false);
  EXPECT_EQ(scale.value(), 4);
  scale.update(true);
  scale.update(true);
  EXPECT_EQ(scale.value(), 4);
  scale.update(false);  // begins the count anew
  EXPECT_EQ(scale.value(), 2);
  for (const double expected : {2, 2, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 32}) {
    scale.update(true);
    EXPECT_EQ(scale.value(), expected);
  }
  EXPECT_EQ(scale.skipped(), 2);
}

TEST(LossScale, GivesUpAtTheSmallest) {
  LossScale scale(Precision::fp16, {.start = 2, .smallest = 1});
  scale.update(false);
  EXPECT_THROW(scale.update(false), Error);
}

// Steps on a device adapt the scale there; the host takes over what it reads.
TEST(LossScale, FollowsTheDevice) {
  LossScale scale(Precision::fp16, {.start = 8, .smallest = 1, .largest = 32, .interval = 3});
  scale.follow({.value = 16, .finite_steps = 2, .skipped = 5}, false);
  EXPECT_EQ(scale.value(), 16);
  EXPECT_EQ(scale.skipped(), 5);
  scale.update(true);
  EXPECT_EQ(scale.value(), 32);
  EXPECT_THROW(scale.follow({.value = 1, .finite_steps = 0, .skipped = 9}, true), Error);
  EXPECT_EQ(scale.skipped(), 9);
  LossScale none(Precision::fp32);
  none.follow({.value = 16}, true);
  EXPECT_EQ(none.value(), 1);
}

TEST(LossScale, GoesOnFromWhereItWasSaved) {
  const LossScaleOptions options{.start = 8, .interval = 2};
  LossScale scale(Precision::fp16, options);
  scale.update(false);
  scale.update(true);
  StateTree tree;
  scale.save(StateWriter(tree).scope("scale"));
  LossScale restored(Precision::fp16, options);
  restored.restore(StateReader(tree).scope("scale"));
  scale.update(true);
  restored.update(true);
  EXPECT_EQ(restored.value(), 8);
  EXPECT_EQ(restored.value(), scale.value());
  EXPECT_EQ(restored.skipped(), 1);
}

TEST(LossScale, RefusesOptionsThatContradict) {
  EXPECT_THROW(LossScale(Precision::fp16, {.start = 0.5, .smallest = 1}), Error);
  EXPECT_THROW(LossScale(Precision::fp16, {.start = 64, .largest = 32}), Error);
  EXPECT_THROW(LossScale(Precision::fp16, {.interval = 0}), Error);
}

}  // namespace
}  // namespace secateur
