// The rate policy cie against tolerances worked out by hand.
#include <gtest/gtest.h>

#include "secateur/core/error.h"
#include "secateur/prune/rate_policy.h"

namespace secateur {
namespace {

SpaceScores space(const std::string& name, std::int64_t width) {
  SpaceScores s;
  s.name = name;
  s.producers = {name};
  s.width = width;
  return s;
}

const std::vector<SpaceScores> kSpaces{space("conv1", 10), space("conv2", 30)};
// conv1 is touchy; conv2 loses nothing at first, and less at 0.5 than at 0.4.
const std::vector<std::string> kTable{"conv1=0.2@0.05", "conv1=0.5@0.3",  "conv2=0.2@0",
                                      "conv2=0.4@0.1",  "conv2=0.5@0.08", "conv2=0.8@0.4"};

std::vector<double> rates_at(double rate) {
  return make_rate_policy("cie", {.rate = rate, .table = kTable})->rates(kSpaces);
}

TEST(Cie, TheLeastToleranceThatRemovesEnough) {
  // Channels gone of 40 by tolerance: 0: 6; 0.05: 8; 0.08: 17; 0.1: 17; 0.3: 20; 0.4: 29.
  EXPECT_EQ(rates_at(0.15), (std::vector<double>{0, 0.2}));
  EXPECT_EQ(rates_at(0.16), (std::vector<double>{0.2, 0.2}));
  EXPECT_EQ(rates_at(0.4), (std::vector<double>{0.2, 0.5}));
  EXPECT_EQ(rates_at(0.43), (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(rates_at(0.7), (std::vector<double>{0.5, 0.8}));
}

TEST(Cie, EverythingWhereNothingIsEnoughAndNothingAtRateZero) {
  EXPECT_EQ(rates_at(0.9), (std::vector<double>{0.5, 0.8}));
  EXPECT_EQ(rates_at(0), (std::vector<double>{0, 0}));
}

TEST(Cie, TablesAreChecked) {
  const auto made = [](const std::string& entry) {
    return make_rate_policy("cie", {.rate = 0.3, .table = {entry}})->rates(kSpaces);
  };
  EXPECT_EQ(made("conv*=0.5@-0.01"), (std::vector<double>{0.5, 0.5}));
  for (const char* entry :
       {"conv1=0.5", "conv1@0.5", "=0.5@0", "conv1=x@0", "conv1=0.5@", "conv1=1@0", "other=0.5@0"})
    EXPECT_THROW((void)made(entry), Error) << entry;
  EXPECT_THROW((void)make_rate_policy("cie", {.rate = 0.3}), Error);
}

}  // namespace
}  // namespace secateur
