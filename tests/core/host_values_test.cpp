#include "secateur/core/host_values.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>

#include "secateur/core/error.h"
#include "secateur/core/slab.h"

namespace secateur {
namespace {

std::uint16_t bits_of(DType type, double value) {
  std::uint16_t bits = 0;
  encode_element(type, value, reinterpret_cast<std::byte*>(&bits));
  return bits;
}

double value_of(DType type, std::uint16_t bits) {
  return decode_element(type, reinterpret_cast<const std::byte*>(&bits));
}

// IEEE 754 binary16, from its definition.
TEST(HostValues, HalfByHand) {
  const std::array<std::pair<double, std::uint16_t>, 9> table{{{1.0, 0x3C00},
                                                               {-2.0, 0xC000},
                                                               {65504.0, 0x7BFF},
                                                               {65520.0, 0x7C00},
                                                               {0x1p-14, 0x0400},
                                                               {0x1p-24, 0x0001},
                                                               {0x1p-25, 0x0000},
                                                               {1.0 / 3.0, 0x3555},
                                                               {-0.0, 0x8000}}};
  for (const auto& [value, bits] : table) EXPECT_EQ(bits_of(DType::f16, value), bits) << value;
  EXPECT_EQ(value_of(DType::f16, 0x7BFF), 65504.0);
  EXPECT_EQ(value_of(DType::f16, 0x0001), 0x1p-24);
  EXPECT_EQ(value_of(DType::f16, 0xFC00), -HUGE_VAL);
  EXPECT_TRUE(std::isnan(value_of(DType::f16, bits_of(DType::f16, std::nan("")))));
}

TEST(HostValues, BfloatByHand) {
  EXPECT_EQ(bits_of(DType::bf16, 1.0), 0x3F80);
  EXPECT_EQ(bits_of(DType::bf16, -3.140625), 0xC049);
  // Halfway between 1 and 1 + 2^-7 goes to the even one; a little more goes up.
  EXPECT_EQ(rounded_to(DType::bf16, 1 + 0x1p-8), 1.0);
  EXPECT_EQ(rounded_to(DType::bf16, 1 + 0x1p-8 + 0x1p-12), 1 + 0x1p-7);
  EXPECT_EQ(value_of(DType::bf16, 0x7F80), HUGE_VAL);
  EXPECT_TRUE(std::isnan(value_of(DType::bf16, bits_of(DType::bf16, std::nan("")))));
}

// Every pattern of both types survives the way there and back.
TEST(HostValues, SixteenBitTypesRoundTrip) {
  for (const DType type : {DType::f16, DType::bf16}) {
    for (unsigned bits = 0; bits < 0x10000; ++bits) {
      const double value = value_of(type, static_cast<std::uint16_t>(bits));
      if (!std::isnan(value)) {
        ASSERT_EQ(bits_of(type, value), bits) << name_of(type);
      }
    }
  }
}

TEST(HostValues, PaddingLanesAreWrittenAsZerosAndPassedOverInReading) {
  const auto device = make_host_device(DeviceKind::cpu);
  const auto stream = device->make_stream();
  const std::vector<double> values{1, 2, 3, 4, 5, 6};
  for (const DType type : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i32}) {
    Slab slab(*device, 1024);
    std::memset(slab.data(), 0xFF, 1024);
    const Tensor tensor(slab.data(), type, {2, 3}, 8);
    write_values(tensor, values, *stream);
    EXPECT_EQ(read_values(tensor, *stream), values);
    const Tensor whole(slab.data(), type, {2, 8});
    const std::vector<double> stored = read_values(whole, *stream);
    for (const std::size_t lane : {3U, 7U, 11U, 15U}) EXPECT_EQ(stored[lane], 0.0);
  }
}

TEST(HostValues, RefusesOtherTypesAndCounts) {
  const auto device = make_host_device(DeviceKind::cpu);
  const auto stream = device->make_stream();
  Slab slab(*device, 64);
  EXPECT_THROW(write_values({slab.data(), DType::f32, {2, 3}}, std::vector<double>(5), *stream), Error);
  EXPECT_THROW(static_cast<void>(read_values({slab.data(), DType::u8, {2, 3}}, *stream)), Error);
}

}  // namespace
}  // namespace secateur
