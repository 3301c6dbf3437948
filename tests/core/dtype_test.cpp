#include "secateur/core/dtype.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "secateur/core/error.h"

namespace secateur {
namespace {

struct Case {
  DType type;
  std::string_view name;
  std::int64_t bytes;
};

TEST(DType, NamesAndSizes) {
  const std::vector<Case> cases{{DType::f32, "f32", 4},   {DType::f64, "f64", 8}, {DType::f16, "f16", 2},
                                {DType::bf16, "bf16", 2}, {DType::u8, "u8", 1},   {DType::i32, "i32", 4},
                                {DType::i64, "i64", 8}};
  for (const Case& c : cases) {
    EXPECT_EQ(name_of(c.type), c.name);
    EXPECT_EQ(size_of(c.type), c.bytes) << c.name;
    EXPECT_EQ(dtype_from_name(c.name), c.type) << c.name;
  }
}

TEST(DType, RefusesUnknownNames) {
  EXPECT_THROW(static_cast<void>(dtype_from_name("float32")), Error);
  EXPECT_THROW(static_cast<void>(dtype_from_name("")), Error);
}

template <class T>
void expect_size(DType type) {
  EXPECT_EQ(DTypeOf<T>::value, type);
  EXPECT_EQ(size_of(type), static_cast<std::int64_t>(sizeof(T)));
}

TEST(DType, MatchesTypesOfTheLanguage) {
  expect_size<float>(DType::f32);
  expect_size<double>(DType::f64);
  expect_size<std::uint8_t>(DType::u8);
  expect_size<std::int32_t>(DType::i32);
  expect_size<std::int64_t>(DType::i64);
}

}  // namespace
}  // namespace secateur
