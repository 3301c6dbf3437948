#include "secateur/data/packed.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "data_fixtures.h"
#include "image_fixtures.h"
#include "secateur/core/log.h"
#include "secateur/data/image_folder.h"
#include "secateur/data/image_loader.h"
#include "selftest/op_run.h"

namespace secateur::data {
namespace {

namespace fs = std::filesystem;

class Packed : public ::testing::Test {
 public:
  Packed() { make_image_folder(folder()); }
  [[nodiscard]] fs::path folder() const { return directory_.path() / "folder"; }
  [[nodiscard]] fs::path file() const { return directory_.path() / "all.h5"; }
  [[nodiscard]] DataSets sets() const { return read_image_folder(folder(), {.image_size = 16}); }
  // Names of what lies beside the packed file.
  [[nodiscard]] std::vector<std::string> listing() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_.path()))
      names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }

 private:
  TemporaryDirectory directory_;
};

std::vector<std::uint8_t> pixels_of(const ImageSet& set) {
  ImageLoader loader(set, evaluation_options());
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(set.size() * set.image_shape().count()));
  std::vector<std::int32_t> labels(static_cast<std::size_t>(set.size()));
  loader.fill_pixels(0, set.size(), pixels, labels);
  return pixels;
}

TEST_F(Packed, HoldsTheFilesAsTheyAre) {
  const PackSummary summary = pack_images(sets(), file(), {});
  EXPECT_EQ(summary.records, 18);
  EXPECT_EQ(summary.left_out, 0);
  EXPECT_EQ(listing(), (std::vector<std::string>{"all.h5", "folder"}));
  const DataSets packed = read_packed(file(), 16);
  EXPECT_EQ(packed.train.class_names(), sets().train.class_names());
  EXPECT_EQ(packed.train.label_hash(), sets().train.label_hash());
  EXPECT_EQ(pixels_of(packed.train), pixels_of(sets().train));
  EXPECT_EQ(pixels_of(packed.test), pixels_of(sets().test));
  EXPECT_NE(packed.test.encoded()->name_of(4).find("record 4 of part 'val' (dog/1.jpg)"), std::string::npos);
  EXPECT_TRUE(verify_packed(file()).empty());
}

TEST_F(Packed, ScalesAndStoresPixelsWhereAsked) {
  (void)pack_images(sets(), file(), {.size = 18, .raw = true});
  const DataSets packed = read_packed(file(), 16);
  std::vector<std::byte> bytes;
  packed.train.encoded()->read(0, bytes);  // 20 x 40
  const ImageDecoder raw(bytes, "record");
  EXPECT_EQ(raw.height(), 18);
  EXPECT_EQ(raw.width(), 36);
  (void)pack_images(sets(), file(), {.size = 18, .quality = 80});
  read_packed(file(), 16).train.encoded()->read(0, bytes);
  EXPECT_EQ(std::to_integer<int>(bytes[0]), 0xFF);
  EXPECT_EQ(ImageDecoder(bytes, "record").height(), 18);
}

TEST_F(Packed, GoesOnWhereItWasStopped) {
  const auto stopping = [](std::int64_t, std::int64_t) { return false; };
  // More images than one write of the journal: the first write is kept.
  for (int i = 0; i < 100; ++i)
    fs::copy_file(folder() / "train/cat/0.jpg", folder() / fmt::format("train/cat/x{}.jpg", i));
  EXPECT_EQ(error_of([&] { (void)pack_images(sets(), file(), {}, stopping); }),
            "stopped; the same command goes on from here");
  EXPECT_FALSE(fs::exists(file()));
  // A record that was half written when the power went.
  std::ofstream(file().string() + ".records.tmp", std::ios::app | std::ios::binary) << "torn";
  std::ofstream(file().string() + ".journal.tmp", std::ios::app | std::ios::binary) << "torn";
  const PackSummary resumed = pack_images(sets(), file(), {});
  EXPECT_EQ(resumed.resumed, 64);
  EXPECT_EQ(resumed.records, 118);
  EXPECT_EQ(pixels_of(read_packed(file(), 16).train), pixels_of(sets().train));
  // Other options begin anew.
  (void)error_of([&] { (void)pack_images(sets(), file(), {}, stopping); });
  EXPECT_EQ(pack_images(sets(), file(), {.quality = 80}).resumed, 0);
}

TEST_F(Packed, EqualImagesMakeEqualBytes) {
  (void)pack_images(sets(), file(), {});
  const std::vector<std::byte> first = read_file(file());
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // no time of day, in seconds, is in it
  std::filesystem::remove(file());
  (void)pack_images(sets(), file(), {});
  EXPECT_EQ(read_file(file()), first);
}

TEST_F(Packed, LeavesOutBrokenImages) {
  write_text(folder() / "train" / "cat" / "3.jpg", "no picture");
  std::vector<std::string> lines;
  set_log_callback([&](std::string_view line) { lines.emplace_back(line); });
  const PackSummary summary = pack_images(sets(), file(), {});
  set_log_callback({});
  EXPECT_EQ(summary.left_out, 1);
  EXPECT_EQ(lines.size(), 1U);
  EXPECT_EQ(read_packed(file(), 16).train.class_counts(), (std::vector<std::int64_t>{5, 6}));
  EXPECT_NE(error_of([&] { (void)pack_images(sets(), file(), {.strict = true}); }).find("cat/3.jpg"),
            std::string::npos);
}

TEST_F(Packed, AFlippedByteIsFoundAndNamed) {
  (void)pack_images(sets(), file(), {.as_is = true});  // the file is looked for in it
  const std::vector<std::byte> record = read_file(folder() / "train" / "dog" / "2.jpg");
  std::vector<std::byte> bytes = read_file(file());
  const auto place = std::search(bytes.begin(), bytes.end(), record.begin(), record.end());
  ASSERT_NE(place, bytes.end());
  *(place + 50) ^= std::byte{4};
  write_file_atomically(file(), bytes);
  const std::vector<std::string> faults = verify_packed(file());
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_NE(faults[0].find("record 8 of part 'train' (dog/2.jpg)' is damaged"), std::string::npos)
      << faults[0];
}

TEST_F(Packed, RefusesWhatIsNoPackedFile) {
  EXPECT_NE(error_of([&] { (void)read_packed(folder(), 16); }).find("not a regular file"), std::string::npos);
  EXPECT_NE(error_of([&] { (void)read_packed(file(), 16); }).find("all.h5"), std::string::npos);
  write_text(file(), "nothing of the sort");
  EXPECT_NE(error_of([&] { (void)read_packed(file(), 16); }).find("cannot read"), std::string::npos);
  (void)pack_images(sets(), file(), {});
  std::vector<std::byte> bytes = read_file(file());
  RandomSequence random(selftest::test_seed(), RngPurpose::test);
  // Cut short anywhere: an Error, or records that are found damaged.
  for (int i = 0; i < 40; ++i) {
    std::vector<std::byte> cut(bytes.begin(),
                               bytes.begin() + random.below(static_cast<std::uint32_t>(bytes.size() - 1)));
    write_file_atomically(file(), cut);
    bool refused = false;
    try {
      refused = !verify_packed(file()).empty();
    } catch (const Error&) {
      refused = true;
    }
    EXPECT_TRUE(refused) << cut.size();
  }
  EXPECT_THROW((void)pack_images({random_set(2), random_set(2)}, file(), {}), Error);
}

}  // namespace
}  // namespace secateur::data
