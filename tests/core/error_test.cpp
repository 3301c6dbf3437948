#include "secateur/core/error.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace secateur {
namespace {

TEST(Error, CarriesMessageAndSourceLine) {
  std::uint_least32_t line = 0;
  try {
    line = std::source_location::current().line() + 1;
    fail("layer '{}' has {} channels, expected {}", "conv1", 3, 16);
    FAIL() << "fail() returned";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "layer 'conv1' has 3 channels, expected 16");
    EXPECT_EQ(error.where().line(), line);
    EXPECT_TRUE(std::string_view(error.where().file_name()).ends_with("error_test.cpp"));
  }
}

TEST(Error, RequireThrowsOnlyWhenTheConditionFails) {
  EXPECT_NO_THROW(require(true, "never said"));
  try {
    require(1 > 2, "{} is not more than {}", 1, 2);
    FAIL() << "require() returned";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "1 is not more than 2");
  }
}

TEST(Error, IsAStandardException) { EXPECT_THROW(fail("x"), std::runtime_error); }

}  // namespace
}  // namespace secateur
