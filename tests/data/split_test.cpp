#include "secateur/data/split.h"

#include <algorithm>
#include <numeric>

#include "data_fixtures.h"

namespace secateur::data {
namespace {

// Classes 0, 1, 2 with 34, 33, 33 images.
TEST(Split, TakesTheSameShareOfEveryClass) {
  const ImageSet set = random_set(100);
  const auto split = TrainValidationSplit::make(set, 30, 1);
  EXPECT_EQ(split.validation_part(set).class_counts(), (std::vector<std::int64_t>{10, 10, 10}));
  // 10 images: shares 3.4, 3.3, 3.3; the largest remainder gets the tenth.
  EXPECT_EQ(TrainValidationSplit::make(set, 10, 1).validation_part(set).class_counts(),
            (std::vector<std::int64_t>{4, 3, 3}));
}

TEST(Split, PartsHoldEverySampleOnce) {
  const ImageSet set = random_set(101);
  const auto split = TrainValidationSplit::make(set, 33, 5);
  std::vector<std::int64_t> all = split.train_indices();
  all.insert(all.end(), split.validation_indices().begin(), split.validation_indices().end());
  std::sort(all.begin(), all.end());
  std::vector<std::int64_t> expected(101);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
  EXPECT_EQ(split.validation_indices().size(), 33U);
}

TEST(Split, DependsOnTheSeedAlone) {
  const ImageSet set = random_set(100);
  const auto first = TrainValidationSplit::make(set, 30, 1);
  EXPECT_EQ(first, TrainValidationSplit::make(set, 30, 1));
  const auto other = TrainValidationSplit::make(set, 30, 2);
  EXPECT_NE(first.validation_indices(), other.validation_indices());
  EXPECT_NE(first.hash(), other.hash());
}

TEST(Split, SurvivesStorage) {
  const ImageSet set = random_set(100);
  const auto split = TrainValidationSplit::make(set, 30, 0xFFFF'FFFF'FFFF'FFF0);
  StateTree tree;
  split.save(StateWriter(tree, "split"));
  EXPECT_EQ(TrainValidationSplit::restore(StateReader(tree, "split")), split);
}

TEST(Split, RefusesStoredIndicesThatDoNotHaveTheirHash) {
  const ImageSet set = random_set(100);
  StateTree tree;
  TrainValidationSplit::make(set, 30, 1).save(StateWriter(tree));
  const auto with_indices = [&](std::vector<std::int64_t> indices) {
    StateTree changed;
    for (const auto& [path, value] : tree.entries()) {
      changed.set(path, path == "validation" ? StateValue(indices) : value);
    }
    return error_of([&] { (void)TrainValidationSplit::restore(StateReader(changed)); });
  };
  EXPECT_NE(with_indices({1, 2, 3}).find("do not have its hash"), std::string::npos);
  EXPECT_NE(with_indices({1, 1}).find("index 1 after 1"), std::string::npos);
  EXPECT_NE(with_indices({100}).find("in a set of 100"), std::string::npos);
}

TEST(Split, RefusesAnotherSet) {
  const ImageSet set = random_set(100);
  const auto split = TrainValidationSplit::make(set, 30, 1);
  EXPECT_NE(error_of([&] { (void)split.train_part(random_set(99)); }).find("with 99"), std::string::npos);
  std::vector<std::int64_t> reversed(100);
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  EXPECT_NE(error_of([&] { (void)split.train_part(set.subset(reversed)); }).find("another order"),
            std::string::npos);
}

TEST(Split, RefusesToTakeEverything) {
  EXPECT_THROW((void)TrainValidationSplit::make(random_set(10), 10, 1), Error);
  EXPECT_THROW((void)TrainValidationSplit::make(random_set(10), -1, 1), Error);
  EXPECT_EQ(TrainValidationSplit::make(random_set(10), 0, 1).train_indices().size(), 10U);
}

TEST(ImageSet, SubsetOfASubsetKeepsTheFullIndex) {
  const ImageSet set = random_set(10);
  const ImageSet inner =
      set.subset(std::vector<std::int64_t>{9, 7, 5, 3}).subset(std::vector<std::int64_t>{2, 0});
  ASSERT_EQ(inner.size(), 2);
  EXPECT_EQ(inner.full_index(0), 5);
  EXPECT_EQ(inner.full_index(1), 9);
  EXPECT_EQ(inner.label(1), set.label(9));
  EXPECT_EQ(inner.image(0).data(), set.image(5).data());  // shared, not copied
  EXPECT_THROW((void)inner.subset(std::vector<std::int64_t>{2}), Error);
}

TEST(ImageSet, RefusesContentThatDoesNotFitTogether) {
  ImageSetContent content{"x", {1, 1, 1}, {10, 20}, {0, 1}, {"a", "b"}, {{0.5}, {0.1}}};
  EXPECT_NO_THROW(ImageSet{content});
  auto changed = content;
  changed.labels[1] = 2;
  EXPECT_NE(error_of([&] { ImageSet{changed}; }).find("sample 1 has label 2"), std::string::npos);
  changed = content;
  changed.pixels.pop_back();
  EXPECT_THROW(ImageSet{changed}, Error);
  changed = content;
  changed.statistics.deviation[0] = 0;
  EXPECT_THROW(ImageSet{changed}, Error);
}

TEST(Statistics, AreThoseOfAHandMadeTable) {
  // Channel 0: 0, 255 (mean 0.5, deviation 0.5); channel 1: 51, 51 (mean 0.2, deviation 0).
  const ChannelStatistics statistics = measure_statistics(std::vector<std::uint8_t>{0, 51, 255, 51}, 2);
  EXPECT_DOUBLE_EQ(statistics.mean[0], 0.5);
  EXPECT_DOUBLE_EQ(statistics.deviation[0], 0.5);
  EXPECT_DOUBLE_EQ(statistics.mean[1], 0.2);
  EXPECT_DOUBLE_EQ(statistics.deviation[1], 0.0);
}

}  // namespace
}  // namespace secateur::data
