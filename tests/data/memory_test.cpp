// What loaders hold does not grow with the epochs.
#include <gtest/gtest.h>
#include <malloc.h>

#include <fstream>

#include "image_fixtures.h"
#include "secateur/data/image_folder.h"
#include "secateur/data/image_loader.h"
#include "secateur/data/loader.h"
#include "secateur/data/prefetch.h"

namespace secateur::data {
namespace {

constexpr std::int64_t kImages = 120;
constexpr std::int64_t kSize = 64;
constexpr std::int64_t kBatch = 16;

// Two classes of images of 128 x 128 and a bit: 64 KiB each when they are decoded.
void make_large_images(const std::filesystem::path& root) {
  RandomSequence random(3, RngPurpose::test);
  for (const char* part : {"train", "val"}) {
    for (const char* name : {"ape", "bee"}) {
      const std::filesystem::path folder = root / part / name;
      std::filesystem::create_directories(folder);
      for (std::int64_t i = 0; i < (std::string_view(part) == "train" ? kImages / 2 : 1); ++i) {
        RgbxImage image{128 + i % 5, 128 + i % 7, {}};
        image.pixels.resize(static_cast<std::size_t>(4 * image.height * image.width));
        for (auto& pixel : image.pixels) pixel = static_cast<std::uint8_t>(random.below(256));
        write_file_atomically(folder / (std::to_string(i) + ".jpg"), encode_jpeg(image, 60));
      }
    }
  }
}

double resident_mebibytes() {
  malloc_trim(0);
  std::ifstream file("/proc/self/statm");
  double total = 0;
  double resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

TEST(Memory, DoesNotGrowOverTenEpochsOfImages) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer keeps freed memory back";
#endif
  const TemporaryDirectory root;
  make_large_images(root.path());
  const DataSets sets = read_image_folder(root.path(), {.image_size = kSize});
  ASSERT_EQ(sets.train.size(), kImages);
  PrefetchingLoader loader(make_loader(sets.train, training_options(1)));
  Host host;
  HostBatch<float> batch(kBatch, sets.train.image_shape(), 3);
  const auto run_epoch = [&](std::int64_t epoch) {
    loader.begin_epoch(epoch);
    for (std::int64_t first = 0; first < kImages; first += kBatch) {
      loader.fill(first, std::min(kBatch, kImages - first), *host.stream, batch.images, batch.labels);
    }
  };
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) run_epoch(epoch);
  const double before = resident_mebibytes();
  for (std::int64_t epoch = 3; epoch < 13; ++epoch) run_epoch(epoch);
  // One decoded image in twenty, kept, would be 3.8 MiB; the allocator's own coming and going is below 2.
  EXPECT_LT(resident_mebibytes() - before, 3);
}

}  // namespace
}  // namespace secateur::data
