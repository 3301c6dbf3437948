// How to add a data set: fill an ImageSetContent. The loader then shuffles, augments, normalises and
// prefetches. Here: discs and squares of random size, drawn by the counter-based generator, so that a set is
// the same wherever it is drawn.
#include <cstdio>
#include <cstdlib>

#include "secateur/core/rng.h"
#include "secateur/data/dataset.h"
#include "secateur/data/split.h"

using namespace secateur;

namespace {

data::ImageSet discs_and_squares(std::int64_t count, std::uint64_t seed) {
  constexpr int kSide = 16;
  data::ImageSetContent content;
  content.name = "discs-and-squares";
  content.image_shape = {kSide, kSide, 1};
  content.class_names = {"disc", "square"};
  for (std::int64_t n = 0; n < count; ++n) {
    RandomSequence random(seed, RngPurpose::synthetic, static_cast<std::uint32_t>(n));
    const bool square = n % 2 == 1;
    const int radius = 3 + static_cast<int>(random.below(4));
    for (int y = -kSide / 2; y < kSide / 2; ++y) {
      for (int x = -kSide / 2; x < kSide / 2; ++x) {
        const bool inside =
            square ? std::abs(x) < radius && std::abs(y) < radius : x * x + y * y < radius * radius;
        content.pixels.push_back(inside ? 200 : 20);
      }
    }
    content.labels.push_back(square ? 1 : 0);
  }
  content.statistics = data::measure_statistics(content.pixels, 1);
  return data::ImageSet(std::move(content));
}

}  // namespace

int main() {
  const data::ImageSet set = discs_and_squares(100, 1);
  // The validation part is drawn once, with the same share of every class, and travels with the checkpoint.
  const auto split = data::TrainValidationSplit::make(set, 20, 1);
  const data::ImageSet training = split.train_part(set);
  std::printf("%lld training images of %lld classes\n", static_cast<long long>(training.size()),
              static_cast<long long>(training.num_classes()));
  return training.size() == 80 && training.class_counts() == std::vector<std::int64_t>{40, 40} ? 0 : 1;
}
