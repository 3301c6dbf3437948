#include "secateur/kernels/augment.h"

#include <array>

#include "kernel_test.h"
#include "philox.h"

namespace secateur::kernels::test {
namespace {

// Words of one sample's sequence, in order.
class Words {
 public:
  Words(std::uint64_t seed, std::uint32_t epoch, std::uint32_t sample)
      : seed_(seed), epoch_(epoch), sample_(sample) {}
  std::uint32_t next() {
    const PhiloxWords block =
        philox({drawn_ / 4, sample_, epoch_, 3},
               {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
    return block[drawn_++ % 4];
  }
  // Lemire's method, by its definition.
  std::int64_t below(std::uint64_t bound) {
    const std::uint64_t rejected = (std::uint64_t{1} << 32) % bound;
    while (true) {
      const std::uint64_t product = next() * bound;
      if (product % (std::uint64_t{1} << 32) >= rejected) return static_cast<std::int64_t>(product >> 32);
    }
  }

 private:
  std::uint64_t seed_;
  std::uint32_t epoch_;
  std::uint32_t sample_;
  std::uint32_t drawn_ = 0;
};

AugmentOptions cifar_like(DType type) {
  AugmentOptions options;
  options.type = type;
  options.height = 9;
  options.width = 7;
  options.channels = 3;
  options.out_height = 9;
  options.out_width = 7;
  options.padding = 2;
  options.ld = 3;
  options.random_crop = true;
  options.random_flip = true;
  options.seed = 0x123456789ABCDEF0U;
  for (int c = 0; c < 3; ++c) {
    options.mean[c] = 0.4F + 0.05F * static_cast<float>(c);
    options.inverse_deviation[c] = 4.0F + static_cast<float>(c);
  }
  return options;
}

std::vector<double> expect_batch(const std::vector<std::uint8_t>& source,
                                 const std::vector<std::int32_t>& samples, std::uint32_t epoch,
                                 const AugmentOptions& o) {
  std::vector<double> out;
  for (const std::int32_t sample : samples) {
    Words words(o.seed, epoch, static_cast<std::uint32_t>(sample));
    const std::int64_t drawn_y =
        words.below(static_cast<std::uint64_t>(o.height + 2 * o.padding - o.out_height + 1));
    const std::int64_t drawn_x =
        words.below(static_cast<std::uint64_t>(o.width + 2 * o.padding - o.out_width + 1));
    const bool drawn_flip = words.next() >> 31 != 0;
    const std::int64_t dy = o.random_crop ? drawn_y : (o.height + 2 * o.padding - o.out_height) / 2;
    const std::int64_t dx = o.random_crop ? drawn_x : (o.width + 2 * o.padding - o.out_width) / 2;
    for (std::int64_t h = 0; h < o.out_height; ++h) {
      for (std::int64_t w = 0; w < o.out_width; ++w) {
        const std::int64_t column = o.random_flip && drawn_flip ? o.out_width - 1 - w : w;
        const std::int64_t y = h + dy - o.padding;
        const std::int64_t x = column + dx - o.padding;
        for (std::int64_t c = 0; c < o.ld; ++c) {
          if (c >= o.channels) {
            out.push_back(0);
            continue;
          }
          double pixel = 0;
          if (y >= 0 && y < o.height && x >= 0 && x < o.width) {
            pixel =
                source[static_cast<std::size_t>(((sample * o.height + y) * o.width + x) * o.channels + c)];
          }
          out.push_back((pixel / 255 - static_cast<double>(o.mean[c])) *
                        static_cast<double>(o.inverse_deviation[c]));
        }
      }
    }
  }
  return out;
}

std::vector<std::uint8_t> random_images(std::int64_t count, const AugmentOptions& o) {
  Random random;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(count * o.height * o.width * o.channels));
  for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(random.below(256));
  return pixels;
}

void check(const AugmentOptions& options, std::uint32_t epoch) {
  const std::vector<std::uint8_t> pixels = random_images(20, options);
  const std::vector<std::int32_t> chosen = {3, 19, 0, 3, 7, 11, 5, 1};
  const Array<std::uint8_t> source(pixels);
  const Array<std::int32_t> samples(chosen);
  const Array<std::uint32_t> epoch_on_device(std::vector<std::uint32_t>{epoch});
  MapBuffer out(options.type, 8 * options.out_height * options.out_width, options.ld);
  ASSERT_TRUE(
      succeeded(augment(out.data(), source.data(),
                        {.samples = samples.data(), .epoch = epoch_on_device.data()}, 8, options, nullptr)));
  EXPECT_LE(relative_error(out.values(), expect_batch(pixels, chosen, epoch, options)),
            storage_tolerance(options.type));
}

TEST(Augment, CropsFlipsAndNormalisesByTheSamplesOwnNumbers) {
  for (const DType type : kAllTypes) {
    for (const std::uint32_t epoch : {0U, 1U, 77U}) check(cifar_like(type), epoch);
  }
}

TEST(Augment, EachChoiceAlone) {
  AugmentOptions options = cifar_like(DType::f32);
  options.random_crop = false;
  check(options, 5);
  options.random_flip = false;
  check(options, 5);
  options.random_crop = true;
  check(options, 5);
}

TEST(Augment, OtherSizesAndPaddedChannels) {
  AugmentOptions options = cifar_like(DType::f16);
  options.ld = 8;
  check(options, 2);
  options.channels = 1;
  options.out_height = 4;
  options.out_width = 11;
  check(options, 2);
  options.padding = 0;
  options.out_width = 5;
  options.ld = 1;
  check(options, 2);
  options = cifar_like(DType::f32);
  options.height = options.out_height = 40;  // more than one block an image
  options.width = options.out_width = 30;
  check(options, 3);
}

TEST(Augment, TakesSamplesInOrderWhereNoneAreNamed) {
  AugmentOptions options = cifar_like(DType::f32);
  const std::vector<std::uint8_t> pixels = random_images(4, options);
  const Array<std::uint8_t> source(pixels);
  MapBuffer out(DType::f32, 4 * 63, 3);
  ASSERT_TRUE(succeeded(augment(out.data(), source.data(), {}, 4, options, nullptr)));
  EXPECT_LE(relative_error(out.values(), expect_batch(pixels, {0, 1, 2, 3}, 0, options)), 2e-6);
}

// The place of a batch lies in device memory, and its labels come along; images of several blocks write one
// label each.
TEST(Augment, TakesTheBatchAtAPlaceInTheOrder) {
  AugmentOptions options = cifar_like(DType::f32);
  options.height = options.out_height = 40;
  options.width = options.out_width = 30;
  const std::vector<std::uint8_t> pixels = random_images(6, options);
  const Array<std::uint8_t> source(pixels);
  const Array<std::int32_t> samples(std::vector<std::int32_t>{4, 2, 5, 0, 3, 1});
  const Array<std::int32_t> labels(std::vector<std::int32_t>{40, 20, 50, 0, 30, 10});
  const Array<std::uint32_t> epoch(std::vector<std::uint32_t>{2});
  const Array<std::int64_t> first(std::vector<std::int64_t>{3});
  const Array<std::int32_t> out_labels(2);
  MapBuffer out(DType::f32, 2 * 1200, 3);
  ASSERT_TRUE(succeeded(augment(
      out.data(), source.data(),
      {samples.data(), epoch.data(), first.data(), labels.data(), out_labels.data()}, 2, options, nullptr)));
  EXPECT_LE(relative_error(out.values(), expect_batch(pixels, {0, 3}, 2, options)), 2e-6);
  EXPECT_EQ(out_labels.values(), (std::vector<std::int32_t>{0, 30}));
  ASSERT_TRUE(succeeded(
      augment(out.data(), source.data(), {nullptr, epoch.data(), first.data()}, 2, options, nullptr)));
  EXPECT_LE(relative_error(out.values(), expect_batch(pixels, {3, 4}, 2, options)), 2e-6);
}

TEST(Augment, RefusesWhatBreaksTheContract) {
  MapBuffer out(DType::f32, 63, 3);
  const Array<std::uint8_t> source(9 * 7 * 3);
  AugmentOptions options = cifar_like(DType::f32);
  const auto call = [&](std::int64_t count) {
    return augment(out.data(), source.data(), {}, count, options, nullptr);
  };
  EXPECT_TRUE(refused(call(-1), "count must not be negative"));
  options.channels = 5;
  EXPECT_TRUE(refused(call(1), "channels must be 1 to 4"));
  options = cifar_like(DType::f32);
  options.out_width = 12;
  EXPECT_TRUE(refused(call(1), "larger than the padded image"));
  options = cifar_like(DType::f32);
  options.ld = 2;
  EXPECT_TRUE(refused(call(1), "leading dimension"));
  options = cifar_like(DType::f32);
  EXPECT_TRUE(refused(augment(out.data(), nullptr, {}, 1, options, nullptr), "source is null"));
  const Array<std::int32_t> labels(1);
  EXPECT_TRUE(refused(augment(out.data(), source.data(), {.labels = labels.data()}, 1, options, nullptr),
                      "out_labels"));
  EXPECT_TRUE(succeeded(augment(nullptr, nullptr, {}, 0, options, nullptr)));
}

}  // namespace
}  // namespace secateur::kernels::test
