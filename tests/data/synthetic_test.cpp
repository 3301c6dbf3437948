#include "secateur/data/synthetic.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "data_fixtures.h"
#include "secateur/data/registry.h"

namespace secateur::data {
namespace {

constexpr std::int64_t kClasses = 10;

TEST(Synthetic, ClassesAreBalancedAndNamed) {
  const DataSets sets = make_synthetic({.train_size = 200, .test_size = 50, .seed = 3});
  EXPECT_EQ(sets.train.class_counts(), std::vector<std::int64_t>(10, 20));
  EXPECT_EQ(sets.test.class_counts(), std::vector<std::int64_t>(10, 5));
  EXPECT_EQ(sets.train.class_names().front(), "disc");
  EXPECT_EQ(sets.train.image_shape(), (MapShape{32, 32, 3}));
  EXPECT_EQ(sets.train.statistics().mean, sets.test.statistics().mean);
}

std::vector<std::uint8_t> pixels_of(const ImageSet& set, std::int64_t count) {
  std::vector<std::uint8_t> pixels;
  for (std::int64_t i = 0; i < count; ++i)
    pixels.insert(pixels.end(), set.image(i).begin(), set.image(i).end());
  return pixels;
}

TEST(Synthetic, AnImageDependsOnSeedPartAndIndexAlone) {
  const DataSets small = make_synthetic({.train_size = 30, .test_size = 30, .seed = 3});
  const DataSets large = make_synthetic({.train_size = 75, .test_size = 31, .seed = 3});
  EXPECT_EQ(pixels_of(small.train, 30), pixels_of(large.train, 30));
  EXPECT_EQ(pixels_of(small.test, 30), pixels_of(large.test, 30));
  for (std::int64_t i = 0; i < 30; ++i) EXPECT_EQ(small.train.label(i), large.train.label(i));
  EXPECT_NE(pixels_of(small.train, 30), pixels_of(small.test, 30));
  const DataSets other = make_synthetic({.train_size = 30, .test_size = 30, .seed = 4});
  EXPECT_NE(pixels_of(small.train, 30), pixels_of(other.train, 30));
  EXPECT_NE(small.train.label_hash(), other.train.label_hash());
}

TEST(Synthetic, RefusesImpossibleSizes) { EXPECT_THROW((void)make_synthetic({.train_size = 0}), Error); }

// Histogram of 4 x 4 x 4 colours, as shares of the image, and 16 bins for each channel; standardised by the
// caller.
constexpr std::size_t kFeatures = 64 + 3 * 16 + 1;

std::vector<std::array<double, kFeatures>> color_histograms(const ImageSet& set) {
  std::vector<std::array<double, kFeatures>> rows(static_cast<std::size_t>(set.size()));
  for (std::int64_t i = 0; i < set.size(); ++i) {
    auto& row = rows[static_cast<std::size_t>(i)];
    const auto image = set.image(i);
    for (std::size_t p = 0; p < image.size(); p += 3) {
      row[static_cast<std::size_t>(image[p] / 64 * 16 + image[p + 1] / 64 * 4 + image[p + 2] / 64)] += 1;
      for (std::size_t c = 0; c < 3; ++c) row[64 + c * 16 + image[p + c] / 16U] += 1;
    }
    row[kFeatures - 1] = 1;
  }
  return rows;
}

using Weights = std::array<std::array<double, kFeatures>, kClasses>;
using Logits = std::array<double, kClasses>;

Logits evaluate(const Weights& weights, const std::array<double, kFeatures>& row) {
  Logits logits{};
  for (std::size_t k = 0; k < kClasses; ++k) {
    for (std::size_t j = 0; j < kFeatures; ++j) logits[k] += weights[k][j] * row[j];
  }
  return logits;
}

// Multinomial logistic regression by gradient descent on the whole batch, with momentum.
Weights fit(const std::vector<std::array<double, kFeatures>>& rows, const ImageSet& set) {
  Weights weights{};
  Weights velocity{};
  for (int step = 0; step < 300; ++step) {
    Weights gradient{};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Logits p = evaluate(weights, rows[i]);
      const double largest = *std::max_element(p.begin(), p.end());
      double sum = 0;
      for (double& value : p) sum += value = std::exp(value - largest);
      for (double& value : p) value /= sum;
      p[static_cast<std::size_t>(set.label(static_cast<std::int64_t>(i)))] -= 1;
      for (std::size_t k = 0; k < kClasses; ++k) {
        for (std::size_t j = 0; j < kFeatures; ++j) gradient[k][j] += p[k] * rows[i][j];
      }
    }
    for (std::size_t k = 0; k < kClasses; ++k) {
      for (std::size_t j = 0; j < kFeatures; ++j) {
        velocity[k][j] = 0.9 * velocity[k][j] - 0.05 / static_cast<double>(rows.size()) * gradient[k][j];
        weights[k][j] += velocity[k][j];
      }
    }
  }
  return weights;
}

double accuracy(const Weights& weights, const std::vector<std::array<double, kFeatures>>& rows,
                const ImageSet& set) {
  std::int64_t right = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Logits logits = evaluate(weights, rows[i]);
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    right += best == set.label(static_cast<std::int64_t>(i)) ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(rows.size());
}

TEST(Synthetic, ColoursSayNextToNothingAboutTheClass) {
  const DataSets sets = make_synthetic({.train_size = 4000, .test_size = 2000, .seed = 1});
  auto train = color_histograms(sets.train);
  auto test = color_histograms(sets.test);
  for (std::size_t j = 0; j + 1 < kFeatures; ++j) {
    double sum = 0;
    double squares = 0;
    for (const auto& row : train) {
      sum += row[j];
      squares += row[j] * row[j];
    }
    const double mean = sum / static_cast<double>(train.size());
    const double deviation = std::sqrt(squares / static_cast<double>(train.size()) - mean * mean) + 1e-9;
    for (auto* rows : {&train, &test}) {
      for (auto& row : *rows) row[j] = (row[j] - mean) / deviation;
    }
  }
  const Weights weights = fit(train, sets.train);
  RecordProperty("test_accuracy_percent", static_cast<int>(100 * accuracy(weights, test, sets.test)));
  EXPECT_GT(accuracy(weights, train, sets.train), 0.12);  // it did learn what there is to learn by heart
  EXPECT_LT(accuracy(weights, test, sets.test), 0.25);
}

TEST(Registry, OpensByNameAndNamesTheNearest) {
  EXPECT_EQ(dataset_names(),
            (std::vector<std::string>{"cifar10", "cifar100", "imagefolder", "packed", "synthetic"}));
  const DataSets sets =
      open_dataset("synthetic", {.synthetic = {.train_size = 20, .test_size = 10, .seed = 5}});
  EXPECT_EQ(sets.train.size(), 20);
  const std::string message = error_of([] { (void)open_dataset("cifra10"); });
  EXPECT_NE(message.find("did you mean 'cifar10'?"), std::string::npos) << message;
}

}  // namespace
}  // namespace secateur::data
