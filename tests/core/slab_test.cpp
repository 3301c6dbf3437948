#include "secateur/core/slab.h"

#include <gtest/gtest.h>

#include <utility>

#include "secateur/core/error.h"

namespace secateur {
namespace {

TEST(AlignUp, RoundsToMultiples) {
  EXPECT_EQ(align_up(0, 256), 0);
  EXPECT_EQ(align_up(1, 256), 256);
  EXPECT_EQ(align_up(256, 256), 256);
  EXPECT_EQ(align_up(257, 256), 512);
  EXPECT_EQ(align_up(35, 8), 40);
  EXPECT_EQ(align_up(35, 1), 35);
}

TEST(Slab, OwnsItsBytes) {
  const auto device = make_host_device(DeviceKind::cpu);
  {
    const Slab slab(*device, 1000);
    EXPECT_EQ(slab.bytes(), 1000);
    EXPECT_EQ(device->allocated_bytes(), 1000);
    EXPECT_EQ(slab.at(24), slab.data() + 24);
  }
  EXPECT_EQ(device->allocated_bytes(), 0);
  EXPECT_EQ(device->peak_bytes(), 1000);
}

TEST(Slab, EmptyOnesAllocateNothing) {
  const auto device = make_host_device(DeviceKind::cpu);
  const Slab none;
  const Slab empty(*device, 0);
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(empty.data(), nullptr);
  EXPECT_EQ(device->allocations(), 0);
  EXPECT_THROW(Slab(*device, -1), Error);
}

TEST(Slab, MovesWithoutCopyOrLeak) {
  const auto device = make_host_device(DeviceKind::cpu);
  Slab first(*device, 100);
  const std::byte* memory = first.data();
  Slab second(std::move(first));
  EXPECT_EQ(second.data(), memory);
  // What a moved-from slab is, is the point. NOLINTNEXTLINE(bugprone-use-after-move)
  EXPECT_EQ(first.data(), nullptr);
  EXPECT_EQ(first.bytes(), 0);

  Slab third(*device, 50);
  EXPECT_EQ(device->allocated_bytes(), 150);
  third = std::move(second);
  EXPECT_EQ(third.data(), memory);
  EXPECT_EQ(third.bytes(), 100);
  EXPECT_EQ(device->allocated_bytes(), 100);  // the 50 are released at once
  third = Slab();
  EXPECT_EQ(device->allocated_bytes(), 0);
  EXPECT_EQ(device->allocations(), 2);
}

}  // namespace
}  // namespace secateur
