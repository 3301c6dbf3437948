#include "secateur/data/loader.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "data_fixtures.h"
#include "secateur/data/prefetch.h"

namespace secateur::data {
namespace {

// What the header says, written plainly: pad, crop, mirror, normalise.
std::vector<double> expected_image(const ImageSet& set, std::int64_t position, const LoaderOptions& options,
                                   std::uint32_t epoch) {
  const MapShape shape = set.image_shape();
  std::int64_t crop_y = options.padding;
  std::int64_t crop_x = options.padding;
  bool mirrored = false;
  if (options.augment) {
    RandomSequence random(options.seed, RngPurpose::augmentation, epoch,
                          static_cast<std::uint32_t>(set.full_index(position)));
    const auto choices = static_cast<std::uint32_t>(2 * options.padding + 1);
    crop_y = random.below(choices);
    crop_x = random.below(choices);
    mirrored = (random.next_u32() >> 31) == 1 && options.flip;
  }
  std::vector<double> image;
  for (std::int64_t y = 0; y < shape.height; ++y) {
    for (std::int64_t x = 0; x < shape.width; ++x) {
      const std::int64_t from_y = crop_y + y - options.padding;
      const std::int64_t from_x = crop_x + (mirrored ? shape.width - 1 - x : x) - options.padding;
      const bool inside = from_y >= 0 && from_y < shape.height && from_x >= 0 && from_x < shape.width;
      for (std::int64_t c = 0; c < shape.channels; ++c) {
        const auto index = static_cast<std::size_t>((from_y * shape.width + from_x) * shape.channels + c);
        const double value = inside ? set.image(position)[index] / 255.0 : 0.0;
        const auto channel = static_cast<std::size_t>(c);
        image.push_back(options.normalize
                            ? (value - set.statistics().mean[channel]) / set.statistics().deviation[channel]
                            : value);
      }
    }
  }
  return image;
}

template <class T>
void expect_batch(const Loader& loader, const LoaderOptions& options, std::uint32_t epoch, std::int64_t first,
                  std::int64_t count, const HostBatch<T>& batch) {
  const MapShape shape = loader.image_shape();
  const std::int64_t leading = batch.images.leading;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t position = loader.position(first + i);
    ASSERT_EQ(batch.label_values[static_cast<std::size_t>(i)], loader.set().label(position));
    const std::vector<double> expected = expected_image(loader.set(), position, options, epoch);
    for (std::int64_t p = 0; p < shape.positions(); ++p) {
      for (std::int64_t c = 0; c < leading; ++c) {
        const double wanted =
            c < shape.channels ? expected[static_cast<std::size_t>(p * shape.channels + c)] : 0.0;
        const T found = batch.pixels[static_cast<std::size_t>((i * shape.positions() + p) * leading + c)];
        ASSERT_EQ(found, static_cast<T>(wanted)) << "sample " << i << " position " << p << " channel " << c;
      }
    }
  }
}

struct Case {
  MapShape shape;
  std::int64_t leading;
  LoaderOptions options;
};

class LoaderBatches : public testing::TestWithParam<Case> {};

TEST_P(LoaderBatches, AreWhatTheHeaderSays) {
  const auto& [shape, leading, options] = GetParam();
  Host host;
  Loader loader(random_set(40, shape).subset(std::vector<std::int64_t>{31, 2, 17, 8, 39, 25, 11, 12, 4}),
                options);
  HostBatch<float> f32(4, shape, leading);
  HostBatch<double> f64(4, shape, leading);
  for (const std::uint32_t epoch : {0U, 3U}) {
    loader.begin_epoch(epoch);
    for (const auto& [first, count] : {std::pair<std::int64_t, std::int64_t>{0, 4}, {4, 4}, {8, 1}}) {
      loader.fill(first, count, *host.stream, f32.images, f32.labels);
      loader.fill(first, count, *host.stream, f64.images, f64.labels);
      expect_batch(loader, options, epoch, first, count, f32);
      expect_batch(loader, options, epoch, first, count, f64);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Options, LoaderBatches,
    testing::Values(
        Case{{5, 4, 3}, 3, {}}, Case{{5, 4, 3}, 8, {}}, Case{{5, 4, 1}, 1, {.normalize = false}},
        Case{{5, 4, 3}, 3, {.shuffle = true, .augment = true, .padding = 2, .seed = 9}},
        Case{{5, 4, 3}, 5, {.shuffle = true, .augment = true, .padding = 4, .flip = false, .seed = 9}},
        // Padding past the image: crops that see nothing of it.
        Case{{5, 4, 2}, 2, {.augment = true, .padding = 7, .seed = 3}},
        Case{{32, 32, 3}, 3, {.shuffle = true, .augment = true, .seed = 1}}));

TEST(Loader, CropsAndFlipsCoverTheirRangeEvenly) {
  // A 1x1 image that is white, padded by 1: it stays white when the crop hits it, once in nine draws.
  ImageSetContent content{
      "white", {1, 1, 1},     std::vector<std::uint8_t>(9000, 255), std::vector<std::int32_t>(9000, 0),
      {"a"},   {{0.5}, {0.5}}};
  Loader loader(ImageSet(std::move(content)), {.augment = true, .padding = 1, .normalize = false, .seed = 4});
  Host host;
  HostBatch<float> batch(9000, {1, 1, 1}, 1);
  loader.fill(0, 9000, *host.stream, batch.images, batch.labels);
  EXPECT_NEAR(std::accumulate(batch.pixels.begin(), batch.pixels.end(), 0.0), 1000, 120);  // 4 deviations
}

TEST(Loader, EpochsAreDifferentPermutations) {
  Loader loader(random_set(50), {.shuffle = true, .seed = 2});
  const auto order_of = [&](std::int64_t epoch) {
    loader.begin_epoch(epoch);
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < 50; ++i) order.push_back(loader.position(i));
    return order;
  };
  const auto first = order_of(0);
  EXPECT_NE(first, order_of(1));
  EXPECT_EQ(first, order_of(0));
  EXPECT_EQ(std::set<std::int64_t>(first.begin(), first.end()).size(), 50U);
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
}

TEST(Loader, LeavesTheRestOfALargerTensorAlone) {
  Loader loader(random_set(10), evaluation_options());
  Host host;
  HostBatch<float> batch(4, loader.image_shape(), 3);
  loader.fill(8, 2, *host.stream, batch.images, batch.labels);
  EXPECT_EQ(batch.label_values[2], -77);
  const auto rest = batch.pixels.begin() + 2 * loader.image_shape().count();
  EXPECT_TRUE(std::all_of(rest, batch.pixels.end(), [](float value) { return value == -77; }));
  EXPECT_NE(*(rest - 1), -77);
}

TEST(Loader, RefusesWhatDoesNotFit) {
  Loader loader(random_set(10), evaluation_options());
  Host host;
  HostBatch<float> batch(4, loader.image_shape(), 3);
  const auto message = [&](std::int64_t first, std::int64_t count, const Tensor& images,
                           const Tensor& labels) {
    return error_of([&] { loader.fill(first, count, *host.stream, images, labels); });
  };
  EXPECT_NE(message(8, 3, batch.images, batch.labels).find("samples 8 .. 10"), std::string::npos);
  EXPECT_NE(message(-1, 1, batch.images, batch.labels).find("-1"), std::string::npos);
  EXPECT_NE(message(0, 5, batch.images, batch.labels).find("do not fit"), std::string::npos);
  EXPECT_NE(message(0, 4, batch.labels, batch.labels).find("do not fit"), std::string::npos);
  EXPECT_NE(message(0, 4, batch.images, batch.images).find("i32"), std::string::npos);
  EXPECT_THROW(Loader(random_set(10).subset({}), {}), Error);
  EXPECT_THROW(Loader(random_set(10), {.padding = -1}), Error);
}

// A source that fails for some samples and counts the epochs that were begun.
class FailingSource final : public PixelSource {
 public:
  FailingSource(ImageSet set, std::int64_t bad_sample)
      : PixelSource(set.statistics()),
        loader_(std::move(set), training_options(3)),
        bad_sample_(bad_sample) {}
  [[nodiscard]] std::int64_t size() const override { return loader_.size(); }
  [[nodiscard]] MapShape image_shape() const override { return loader_.image_shape(); }
  [[nodiscard]] std::int64_t num_classes() const override { return loader_.num_classes(); }
  void begin_epoch(std::int64_t epoch) override { loader_.begin_epoch(epoch); }
  void fill_pixels(std::int64_t first, std::int64_t count, std::span<std::uint8_t> pixels,
                   std::span<std::int32_t> labels) override {
    require(bad_sample_ < first || bad_sample_ >= first + count, "sample {} cannot be decoded", bad_sample_);
    loader_.fill_pixels(first, count, pixels, labels);
  }

 private:
  Loader loader_;
  std::int64_t bad_sample_;
};

TEST(Prefetching, GivesTheBatchesOfItsSource) {
  const ImageSet set = random_set(50);
  Loader plain(set, training_options(3));
  PrefetchingLoader prefetching(std::make_unique<Loader>(set, training_options(3)));
  Host host;
  HostBatch<float> expected(8, set.image_shape(), 4);
  HostBatch<float> found(8, set.image_shape(), 4);
  const auto compare = [&](std::int64_t first, std::int64_t count) {
    plain.fill(first, count, *host.stream, expected.images, expected.labels);
    prefetching.fill(first, count, *host.stream, found.images, found.labels);
    ASSERT_EQ(found.pixels, expected.pixels);
    ASSERT_EQ(found.label_values, expected.label_values);
  };
  for (const std::int64_t epoch : {0, 1, 2, 1}) {
    plain.begin_epoch(epoch);
    prefetching.begin_epoch(epoch);
    for (std::int64_t first = 0; first < 50; first += 8)
      compare(first, std::min<std::int64_t>(8, 50 - first));
  }
  EXPECT_EQ(prefetching.hits(), 4 * 7 - 1);  // all but the very first
  compare(13, 5);                            // not what comes next
  compare(2, 3);
  EXPECT_EQ(prefetching.hits(), 4 * 7 - 1);
  prefetching.begin_epoch(1);
  prefetching.begin_epoch(7);  // a guess that is never asked for
  plain.begin_epoch(7);
  compare(0, 8);
}

TEST(Prefetching, HandsOnWhatItsSourceThrows) {
  PrefetchingLoader loader(std::make_unique<FailingSource>(random_set(50), 20));
  Host host;
  HostBatch<float> batch(8, loader.image_shape(), 3);
  const auto fill = [&](std::int64_t first) {
    loader.fill(first, 8, *host.stream, batch.images, batch.labels);
  };
  fill(0);
  fill(8);
  EXPECT_EQ(error_of([&] { fill(16); }), "sample 20 cannot be decoded");
  EXPECT_EQ(error_of([&] { fill(16); }), "sample 20 cannot be decoded");
  EXPECT_NO_THROW(fill(24));
  EXPECT_NO_THROW(fill(8));  // guesses the bad batch next, which is then never asked for
  loader.begin_epoch(-1);
  EXPECT_NE(error_of([&] { fill(0); }).find("no epoch -1"), std::string::npos);
}

}  // namespace
}  // namespace secateur::data
