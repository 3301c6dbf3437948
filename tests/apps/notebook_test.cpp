// What studies are made of: numbers that are written down once, and statistics of pairs.
#include "experiments/notebook.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "experiments/statistics.h"
#include "secateur/core/error.h"

namespace secateur::experiments {
namespace {

class NotebookFile : public ::testing::Test {
 public:
  NotebookFile()
      : path_(std::filesystem::temp_directory_path() / ("secateur-notebook" + std::to_string(::getpid())) /
              "measured.jsonl") {}
  ~NotebookFile() override { std::filesystem::remove_all(path_.parent_path()); }

  std::filesystem::path path_;
};

TEST_F(NotebookFile, MeasuresOnceAndRemembers) {
  int measured = 0;
  const auto measure = [&] {
    ++measured;
    return std::vector<double>{1.0 / 3.0, -2};
  };
  {
    Notebook notes(path_);
    EXPECT_EQ(notes.once("a", measure), (std::vector<double>{1.0 / 3.0, -2}));
    EXPECT_EQ(notes.once("a", measure), (std::vector<double>{1.0 / 3.0, -2}));
  }
  Notebook later(path_);
  EXPECT_TRUE(later.has("a"));
  EXPECT_EQ(later.once("a", measure), (std::vector<double>{1.0 / 3.0, -2}));
  EXPECT_EQ(measured, 1);
}

TEST_F(NotebookFile, ALineCutShortIsMeasuredAgain) {
  {
    Notebook notes(path_);
    static_cast<void>(notes.once("a", [] { return std::vector<double>{1}; }));
    static_cast<void>(notes.once("b", [] { return std::vector<double>{2}; }));
  }
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 4);
  {
    Notebook notes(path_);
    EXPECT_TRUE(notes.has("a"));
    EXPECT_FALSE(notes.has("b"));
    EXPECT_EQ(notes.once("b", [] { return std::vector<double>{3}; }), std::vector<double>{3});
  }
  EXPECT_EQ(Notebook(path_).once("b", [] { return std::vector<double>{}; }), std::vector<double>{3});
}

TEST_F(NotebookFile, AnyOtherBadLineIsAnError) {
  std::filesystem::create_directories(path_.parent_path());
  std::ofstream(path_) << "{\"what\": \"a\", \"values\": [1]}\nnonsense\n";
  try {
    const Notebook notes(path_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("line 2"), std::string::npos) << error.what();
  }
}

TEST(RankCorrelation, ByHand) {
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4}, {10, 100, 1000, 10000}), 1);
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4}, {4, 3, 2, 1}), -1);
  // 1 - 6 * (1 + 1 + 0 + 0) / (4 * 15).
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4}, {2, 1, 3, 4}), 0.8);
  // Ranks 0.5 0.5 2 against 0 1 2: 1.5 / sqrt(1.5 * 2).
  EXPECT_DOUBLE_EQ(rank_correlation({5, 5, 9}, {1, 2, 3}), 1.5 / std::sqrt(3.0));
  EXPECT_EQ(rank_correlation({7, 7}, {1, 2}), 0);
  EXPECT_THROW(static_cast<void>(rank_correlation({1}, {1})), Error);
  EXPECT_THROW(static_cast<void>(rank_correlation({1, 2}, {1, 2, 3})), Error);
}

TEST(ScaledError, ComparesAfterScaling) {
  EXPECT_DOUBLE_EQ(scaled_error({0, 5, 10}, {1, 2, 3}), 0);
  EXPECT_DOUBLE_EQ(scaled_error({0, 1}, {1, 0}), 1);
}

}  // namespace
}  // namespace secateur::experiments
