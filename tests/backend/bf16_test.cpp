// The storage type of maps in bf16.
#include "backend/cpu/bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"

namespace secateur::cpu {
namespace {

std::uint16_t bits_of(Bf16 value) { return std::bit_cast<std::uint16_t>(value); }

TEST(Bf16, EveryValueComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto value = std::bit_cast<Bf16>(static_cast<std::uint16_t>(bits));
    const float wide = value;
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(Bf16(wide)))) << bits;
    } else {
      EXPECT_EQ(bits_of(Bf16(wide)), bits);
    }
  }
}

TEST(Bf16, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(Bf16(1.0F + 0x1p-8F), 1.0F);            // half-way: to the even one below
  EXPECT_EQ(Bf16(1.0F + 0x3p-8F), 1.0F + 0x1p-6F);  // half-way: to the even one above
  EXPECT_EQ(Bf16(1.0F + 0x1.02p-8F), 1.0F + 0x1p-7F);
  EXPECT_EQ(Bf16(std::numeric_limits<float>::max()), std::numeric_limits<float>::infinity());
  EXPECT_EQ(bits_of(Bf16(-0.0F)), 0x8000);
  // A NaN whose upper half alone would be an infinity.
  EXPECT_TRUE(std::isnan(static_cast<float>(Bf16(std::bit_cast<float>(0x7F800001U)))));
  RandomSequence random(5, RngPurpose::test);
  for (int i = 0; i < 10000; ++i) {
    const auto value = std::bit_cast<float>(random.next_u32());
    if (std::isnan(value)) continue;
    EXPECT_EQ(static_cast<double>(Bf16(value)), rounded_to(DType::bf16, value)) << value;
  }
}

TEST(Bf16, AssignmentRoundsLikeConstruction) {
  Bf16 value{};
  value = 3.1415927F;
  EXPECT_EQ(bits_of(value), bits_of(Bf16(3.1415927F)));
}

}  // namespace
}  // namespace secateur::cpu
