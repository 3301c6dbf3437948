#include "secateur/core/shape.h"

#include <gtest/gtest.h>

#include <vector>

#include "secateur/core/error.h"

namespace secateur {
namespace {

struct Case {
  Shape shape;
  int rank;
  std::int64_t count;
  std::int64_t rows;
  std::int64_t last;
  const char* text;
};

TEST(Shape, CountsRowsAndText) {
  const std::vector<Case> cases{
      {Shape{}, 0, 1, 1, 1, "[]"},
      {Shape{7}, 1, 7, 1, 7, "[7]"},
      {Shape{0}, 1, 0, 1, 0, "[0]"},
      {Shape{3, 5}, 2, 15, 3, 5, "[3, 5]"},
      {Shape{128, 32, 32, 16}, 4, 2097152, 131072, 16, "[128, 32, 32, 16]"},
      {Shape{2, 0, 4}, 3, 0, 0, 4, "[2, 0, 4]"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(c.shape.rank(), c.rank) << c.text;
    EXPECT_EQ(c.shape.count(), c.count) << c.text;
    EXPECT_EQ(c.shape.rows(), c.rows) << c.text;
    EXPECT_EQ(c.shape.last(), c.last) << c.text;
    EXPECT_EQ(c.shape.to_string(), c.text);
    EXPECT_EQ(static_cast<int>(c.shape.extents().size()), c.rank) << c.text;
  }
}

TEST(Shape, ComparesRankAndExtents) {
  EXPECT_EQ((Shape{2, 3}), Shape(std::vector<std::int64_t>{2, 3}));
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
  EXPECT_NE((Shape{2}), (Shape{2, 1}));
  EXPECT_NE(Shape{}, (Shape{0}));
  EXPECT_EQ((Shape{4, 9})[1], 9);
}

TEST(Shape, RefusesWhatCannotBeAddressed) {
  EXPECT_THROW((Shape{1, 2, 3, 4, 5}), Error);
  EXPECT_THROW((Shape{2, -1}), Error);
  const std::int64_t large = std::int64_t{1} << 31;
  EXPECT_NO_THROW((Shape{large, large}));
  EXPECT_THROW((Shape{large, large, 2}), Error);
}

TEST(MapShape, CountsPositionsAndElements) {
  const MapShape map{.height = 4, .width = 5, .channels = 3};
  EXPECT_EQ(map.positions(), 20);
  EXPECT_EQ(map.count(), 60);
  EXPECT_EQ(map.batched(2), (Shape{2, 4, 5, 3}));
}

}  // namespace
}  // namespace secateur
