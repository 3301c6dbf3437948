#include "secateur/data/cifar.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "data_fixtures.h"

namespace secateur::data {
namespace {

namespace fs = std::filesystem;

// A set in miniature: two training files of three records, one test file of two.
CifarLayout small_layout(std::int64_t label_bytes) {
  return {.name = "small",
          .folder = "small-bin",
          .train_files = {"a.bin", "b.bin"},
          .test_files = {"t.bin"},
          .records_per_train_file = 3,
          .records_per_test_file = 2,
          .names_file = "names.txt",
          .label_bytes = label_bytes,
          .num_classes = 4,
          .statistics = {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}}};
}

// Value of a pixel that tells record, channel, row and column apart.
std::uint8_t made_pixel(std::int64_t record, std::int64_t c, std::int64_t y, std::int64_t x) {
  return static_cast<std::uint8_t>(record * 50 + c * 17 + y * 3 + x * 5);
}

std::string made_file(std::int64_t label_bytes, std::int64_t first_record, std::int64_t records) {
  std::string bytes;
  for (std::int64_t r = first_record; r < first_record + records; ++r) {
    if (label_bytes == 2) bytes.push_back(static_cast<char>(99));  // coarse label, of no interest
    bytes.push_back(static_cast<char>(r % 4));
    for (std::int64_t c = 0; c < 3; ++c) {
      for (std::int64_t y = 0; y < 32; ++y) {
        for (std::int64_t x = 0; x < 32; ++x) bytes.push_back(static_cast<char>(made_pixel(r, c, y, x)));
      }
    }
  }
  return bytes;
}

class CifarFiles : public testing::TestWithParam<std::int64_t> {
 protected:
  CifarFiles() {
    write_text(file("names.txt"), "ape\nbee\ncat\ndog\n\n");
    write_text(file("a.bin"), made_file(GetParam(), 0, 3));
    write_text(file("b.bin"), made_file(GetParam(), 3, 3));
    write_text(file("t.bin"), made_file(GetParam(), 6, 2));
  }
  [[nodiscard]] fs::path file(const std::string& name) const { return directory_.path() / name; }
  [[nodiscard]] std::string read_error() const {
    return error_of([&] { (void)read_cifar(layout_, directory_.path()); });
  }
  TemporaryDirectory directory_;
  CifarLayout layout_ = small_layout(GetParam());
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_P(CifarFiles, PlanesBecomeChannelsLast) {
  const DataSets sets = read_cifar(layout_, directory_.path());
  ASSERT_EQ(sets.train.size(), 6);
  ASSERT_EQ(sets.test.size(), 2);
  EXPECT_EQ(sets.train.class_names(), (std::vector<std::string>{"ape", "bee", "cat", "dog"}));
  for (std::int64_t i = 0; i < 8; ++i) {
    const ImageSet& set = i < 6 ? sets.train : sets.test;
    const std::int64_t sample = i < 6 ? i : i - 6;
    EXPECT_EQ(set.label(sample), i % 4);
    const auto image = set.image(sample);
    for (const auto& [y, x, c] : {std::array{0, 0, 0}, {0, 31, 1}, {31, 0, 2}, {13, 7, 1}, {31, 31, 2}}) {
      EXPECT_EQ(image[static_cast<std::size_t>((y * 32 + x) * 3 + c)], made_pixel(i, c, y, x));
    }
  }
}

TEST_P(CifarFiles, MissingFileIsNamed) {
  fs::remove(file("b.bin"));
  const std::string message = read_error();
  EXPECT_TRUE(contains(message, "missing file") && contains(message, file("b.bin").string())) << message;
}

TEST_P(CifarFiles, TruncationIsNamedWithItsOffset) {
  const std::int64_t record = 3072 + GetParam();
  fs::resize_file(file("b.bin"), static_cast<std::uintmax_t>(2 * record + 100));
  const std::string message = read_error();
  EXPECT_TRUE(contains(message, file("b.bin").string())) << message;
  EXPECT_TRUE(
      contains(message, fmt::format("truncated at byte offset {}, in record 2 of 3", 2 * record + 100)))
      << message;
}

TEST_P(CifarFiles, TooLongAFileIsAWrongSize) {
  const std::int64_t expected = 2 * (3072 + GetParam());
  fs::resize_file(file("t.bin"), static_cast<std::uintmax_t>(expected + 1));
  const std::string message = read_error();
  EXPECT_TRUE(contains(message, file("t.bin").string())) << message;
  EXPECT_TRUE(
      contains(message, fmt::format("wrong size: {} bytes where {} are expected", expected + 1, expected)))
      << message;
}

TEST_P(CifarFiles, LabelOutOfRangeIsNamedWithItsOffset) {
  std::string bytes = made_file(GetParam(), 0, 3);
  const std::int64_t offset = 3072 + GetParam() + GetParam() - 1;
  bytes[static_cast<std::size_t>(offset)] = 4;
  write_text(file("a.bin"), bytes);
  const std::string message = read_error();
  EXPECT_TRUE(contains(message, file("a.bin").string())) << message;
  EXPECT_TRUE(
      contains(message, fmt::format("label 4 at byte offset {} (record 1) is out of range 0..3", offset)))
      << message;
}

TEST_P(CifarFiles, WrongNumberOfClassNamesIsRefused) {
  write_text(file("names.txt"), "ape\r\nbee\r\ncat\r\n");
  EXPECT_TRUE(contains(read_error(), "3 class names where 4 are expected"));
}

INSTANTIATE_TEST_SUITE_P(LabelBytes, CifarFiles, testing::Values(1, 2));

class EnvironmentVariable {
 public:
  EnvironmentVariable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    value != nullptr ? setenv(name, value, 1) : unsetenv(name);
  }
  ~EnvironmentVariable() { old_ ? setenv(name_, old_->c_str(), 1) : unsetenv(name_); }
  EnvironmentVariable(const EnvironmentVariable&) = delete;
  EnvironmentVariable& operator=(const EnvironmentVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST(FindCifar, LooksInTheFolderItsSubfolderAndTheEnvironment) {
  const CifarLayout layout = small_layout(1);
  const TemporaryDirectory directory;
  const fs::path inner = directory.path() / "small-bin";
  fs::create_directories(inner);
  write_text(inner / "a.bin", "x");
  EXPECT_EQ(find_cifar(layout, inner), inner);
  EXPECT_EQ(find_cifar(layout, directory.path()), inner);
  {
    const EnvironmentVariable variable("SECATEUR_DATA", directory.path().c_str());
    EXPECT_EQ(find_cifar(layout, std::nullopt), inner);
  }
  const EnvironmentVariable variable("SECATEUR_DATA", nullptr);
  EXPECT_TRUE(contains(error_of([&] { (void)find_cifar(layout, std::nullopt); }), "--data-dir"));
  const TemporaryDirectory empty;
  EXPECT_TRUE(contains(error_of([&] { (void)find_cifar(layout, empty.path()); }), empty.path().string()));
}

TEST(RealCifar10, HasThePublishersStatisticsAndClasses) {
  if (std::getenv("SECATEUR_DATA") == nullptr) GTEST_SKIP() << "SECATEUR_DATA does not say where CIFAR-10 is";
  const CifarLayout& layout = cifar10_layout();
  const DataSets sets = read_cifar(layout, find_cifar(layout, std::nullopt));
  EXPECT_EQ(sets.train.class_counts(), std::vector<std::int64_t>(10, 5000));
  EXPECT_EQ(sets.test.class_counts(), std::vector<std::int64_t>(10, 1000));
  EXPECT_EQ(sets.train.class_names()[3], "cat");
  std::vector<std::uint8_t> pixels;
  for (std::int64_t i = 0; i < sets.train.size(); ++i) {
    const auto image = sets.train.image(i);
    pixels.insert(pixels.end(), image.begin(), image.end());
  }
  const ChannelStatistics measured = measure_statistics(pixels, 3);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(measured.mean[c], layout.statistics.mean[c], 1e-4);
    EXPECT_NEAR(measured.deviation[c], layout.statistics.deviation[c], 1e-4);
  }
}

}  // namespace
}  // namespace secateur::data
