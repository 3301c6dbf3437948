#include "secateur/io/recipe.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "io/temporary_folder.h"
#include "secateur/core/rng.h"

namespace secateur {
namespace {

using Integers = std::vector<std::int64_t>;
using Reals = std::vector<double>;
using Strings = std::vector<std::string>;

TEST(Recipe, FlattensToml) {
  const Recipe recipe = Recipe::from_text(R"(
seed = 7
[train]
epochs = 160   # as in the paper
learning-rate = 1e-1
nesterov = true
schedule = { name = "step", milestones = [80, 120] }
[train.augmentation]
names = ["crop", "flip"]
[prune]
rates = [0.5, 1]
empty = []
path = 'C:\data'
)");
  const std::vector<std::pair<std::string, RecipeValue>> expected{
      {"prune.empty", Strings{}},
      {"prune.path", std::string("C:\\data")},
      {"prune.rates", Reals{0.5, 1.0}},
      {"seed", std::int64_t{7}},
      {"train.augmentation.names", Strings{"crop", "flip"}},
      {"train.epochs", std::int64_t{160}},
      {"train.learning-rate", 0.1},
      {"train.nesterov", true},
      {"train.schedule.milestones", Integers{80, 120}},
      {"train.schedule.name", std::string("step")},
  };
  ASSERT_EQ(recipe.entries().size(), expected.size());
  auto entry = recipe.entries().begin();
  for (const auto& [key, value] : expected) {
    EXPECT_EQ(entry->first, key);
    EXPECT_TRUE(entry->second.value == value) << key << " is " << to_toml(entry->second.value);
    ++entry;
  }
  EXPECT_EQ(recipe.entries().at("train.epochs").origin, "recipe:4");
}

TEST(Recipe, WritesOrderedToml) {
  Recipe recipe;
  recipe.set("train.epochs", 160);
  recipe.set("train.schedule.name", "step");
  recipe.set("seed", 7);
  recipe.set("train.rate", 1.0);
  recipe.set("prune.rates", Reals{0.5, 2});
  EXPECT_EQ(recipe.to_toml(),
            "seed = 7\n\n[prune]\nrates = [0.5, 2.0]\n\n[train]\nepochs = 160\nrate = 1.0\n\n"
            "[train.schedule]\nname = \"step\"\n");
  EXPECT_EQ(Recipe().to_toml(), "");
}

TEST(Recipe, RoundTripIsExact) {
  Recipe recipe;
  recipe.set("least", std::numeric_limits<std::int64_t>::min());
  recipe.set("greatest", std::numeric_limits<std::int64_t>::max());
  recipe.set("whole", 3.0);
  recipe.set("large", 1e22);
  recipe.set("infinite", -std::numeric_limits<double>::infinity());
  std::string every_letter;
  for (int code = 0; code < 128; ++code) every_letter += static_cast<char>(code);
  recipe.set("text.ascii", every_letter);
  recipe.set("text.unicode", "größe \xF0\x9F\x8C\xB3");
  recipe.set("text.empty", "");
  recipe.set("list.integers", Integers{1, -2});
  recipe.set("list.reals", Reals{1, 2});  // stay real numbers
  recipe.set("list.strings", Strings{"a, b", "\"", ""});
  recipe.set("list.empty-reals", Reals{});
  recipe.set("no", false);
  const Recipe back = Recipe::from_text(recipe.to_toml());
  EXPECT_EQ(back, recipe);
  EXPECT_EQ(back.to_toml(), recipe.to_toml());
  EXPECT_EQ(std::get<std::string>(back.at("text.ascii")), every_letter);
}

TEST(Recipe, RealNumbersKeepEveryBit) {
  RandomSequence bits(3, RngPurpose::test);
  Reals numbers{-0.0, 5e-324, 1.7976931348623157e308, 0.1, 1.0 / 3, 123456789012345680.0};
  while (numbers.size() < 2000) {
    const auto number = std::bit_cast<double>(std::uint64_t{bits.next_u32()} << 32 | bits.next_u32());
    if (std::isfinite(number)) numbers.push_back(number);
  }
  Recipe recipe;
  recipe.set("numbers", numbers);
  const Recipe back = Recipe::from_text(recipe.to_toml());
  const auto& read = std::get<Reals>(back.at("numbers"));
  ASSERT_EQ(read.size(), numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(read[i]), std::bit_cast<std::uint64_t>(numbers[i])) << numbers[i];
  }
  EXPECT_EQ(to_toml(RecipeValue(0.1)), "0.1");
  recipe.set("nan", std::nan(""));
  EXPECT_TRUE(std::isnan(std::get<double>(Recipe::from_text(recipe.to_toml()).at("nan"))));
}

TEST(Recipe, ErrorsNameFileLineAndColumn) {
  EXPECT_ERROR(static_cast<void>(Recipe::from_text("a = 1\nb = = 2\n", "r.toml")), "r.toml:2:5:");
  EXPECT_ERROR(static_cast<void>(Recipe::from_text("a = 1\na = 2\n", "r.toml")), "r.toml:2:");
  EXPECT_ERROR(static_cast<void>(Recipe::from_text("\n\nday = 2024-01-01\n", "r.toml")), "r.toml:3:7:", "day",
               "date");
  EXPECT_ERROR(static_cast<void>(Recipe::from_text("x = [1, \"a\"]\n", "r.toml")), "r.toml:1:5:", "x",
               "list");
  EXPECT_ERROR(static_cast<void>(Recipe::from_text("[t]\nx = [[1], [2]]\n", "r.toml")), "r.toml:2:5:", "t.x");
  EXPECT_ERROR(static_cast<void>(Recipe::from_text("[[layers]]\nx = 1\n", "r.toml")), "r.toml:1:", "layers");
  EXPECT_ERROR(static_cast<void>(Recipe::from_text("\"a.b\" = 1\n", "r.toml")), "r.toml:1:1:", "a.b",
               "section");
  EXPECT_ERROR(static_cast<void>(Recipe::from_text("\"a b\" = 1\n", "r.toml")), "r.toml:1:1:", "a b");
  const test::TemporaryFolder folder;
  test::write_text(folder / "r.toml", "x = 1\ny =\n");
  EXPECT_ERROR(static_cast<void>(Recipe::from_file(folder / "r.toml")), "r.toml:2:");
  EXPECT_ERROR(static_cast<void>(Recipe::from_file(folder / "missing.toml")), "missing.toml", "No such file");
  test::write_text(folder / "good.toml", "[a]\nx = 1\n");
  EXPECT_EQ(Recipe::from_file(folder / "good.toml").entries().at("a.x").origin,
            (folder / "good.toml").string() + ":2");
}

TEST(Recipe, LaterOnesWinInAMerge) {
  Recipe base = Recipe::from_text("a = 1\n[s]\nx = 1\ny = 2\n", "base");
  base.merge(Recipe::from_text("[s]\ny = \"other\"\nz = 3\n", "later"));
  EXPECT_EQ(base, Recipe::from_text("a = 1\n[s]\nx = 1\ny = \"other\"\nz = 3\n"));
  EXPECT_EQ(base.entries().at("s.x").origin, "base:3");
  EXPECT_EQ(base.entries().at("s.y").origin, "later:2");
  const Recipe before = base;
  EXPECT_ERROR(base.merge(Recipe::from_text("A = 1\ns = 1")), "'s'", "section");
  EXPECT_ERROR(base.merge(Recipe::from_text("[a]\nb = 1")), "'a.b'", "'a' is a value");
  EXPECT_EQ(base, before);
}

TEST(Recipe, RefusesBadKeysAndText) {
  Recipe recipe;
  for (const char* key : {"", ".", "a.", ".a", "a..b", "a b", "a=b", "\xC3\xA4"}) {
    EXPECT_ERROR(recipe.set(key, 1), "key");
  }
  for (const char* text : {"\xff", "caf\xe9", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"}) {
    EXPECT_ERROR(recipe.set("x", text), "'x'", "UTF-8");
  }
  EXPECT_ERROR(recipe.set("x", Strings{"fine", "\xff"}), "UTF-8");
  EXPECT_TRUE(recipe.entries().empty());
}

TEST(Recipe, NamesTheNearestKey) {
  const Recipe recipe = Recipe::from_text("[train]\nepochs = 3\n");
  EXPECT_ERROR(static_cast<void>(recipe.at("train.epoch")), "'train.epoch'", "did you mean 'train.epochs'?");
  EXPECT_NE(recipe, Recipe::from_text("[train]\nepochs = 4\n"));
  EXPECT_NE(recipe, Recipe::from_text("[train]\nepochs = 3.0\n"));
}

// The library that parses TOML builds a table for each part of a key, and frees it by recursion.
TEST(RecipeLimits, KeysHaveFewPartsAndTextsAreShort) {
  const auto parts = [](int count, const char* part) {
    std::string key;
    for (int i = 1; i < count; ++i) key += std::string(part) + ".";
    return key + part;
  };
  EXPECT_TRUE(Recipe::from_text(parts(16, "a") + " = 1").contains(parts(16, "a")));
  EXPECT_ERROR((void)Recipe::from_text("b = 1\n" + parts(17, "a") + " = 1", "r"), "r:2",
               "more than 16 parts");
  EXPECT_ERROR((void)Recipe::from_text("[" + parts(100'000, "a") + "]", "r"), "r:1", "more than 16 parts");
  EXPECT_ERROR((void)Recipe::from_text(parts(50'000, "\"=\"") + " = 1", "r"), "more than 16 parts");
  // Dots in texts, comments and numbers are no parts.
  const std::string dots(100, '.');
  EXPECT_NO_THROW((void)Recipe::from_text("a = '" + dots + "' # " + dots + "\nb = \"\\\"" + dots +
                                          "\"\nc = \"\"\"x\"" + dots + "\"\"\"\nd = [" +
                                          [] {
                                            std::string reals;
                                            for (int i = 0; i < 100; ++i) reals += "0.5, ";
                                            return reals;
                                          }() +
                                          "]"));
  EXPECT_ERROR((void)Recipe::from_text(std::string((1 << 20) + 1, '\n'), "r"), "too many for a recipe");
}

}  // namespace
}  // namespace secateur
