// The development kit's meta.mat, written by SciPy and as MATLAB does it (make_meta_mat.py).
#include "secateur/data/devkit.h"

#include <gtest/gtest.h>

#include <cstring>

#include "data_fixtures.h"
#include "secateur/core/error.h"
#include "secateur/io/files.h"
#include "test_paths.h"

namespace secateur::data {
namespace {

namespace fs = std::filesystem;

fs::path fixture(const std::string& name) { return fs::path(test::kSourceDir) / "tests/data/devkit" / name; }

class Devkit : public ::testing::Test {
 protected:
  // The error of a copy of plain.mat that was changed.
  template <class Change>
  [[nodiscard]] std::string error_after(Change&& change) const {
    std::vector<std::byte> bytes = read_file(fixture("plain.mat"));
    change(bytes);
    write_file_atomically(file(), bytes);
    return error_of([&] { (void)read_devkit_classes(file()); });
  }
  [[nodiscard]] fs::path file() const { return directory_.path() / "meta.mat"; }
  // Where a text begins for the n-th time (from 0) in plain.mat.
  [[nodiscard]] static std::size_t place_of(std::string_view text, int n = 0) {
    const std::vector<std::byte> bytes = read_file(fixture("plain.mat"));
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    std::size_t at = all.find(text);
    for (; n > 0; --n) at = all.find(text, at + 1);
    EXPECT_NE(at, std::string_view::npos) << text;
    return at;
  }

 private:
  TemporaryDirectory directory_;
};

TEST_F(Devkit, IsReadAsSciPyAndMatlabWriteIt) {
  for (const char* name : {"compressed.mat", "plain.mat", "matlab.mat"}) {
    SCOPED_TRACE(name);
    const std::vector<DevkitClass> classes = read_devkit_classes(fixture(name));
    ASSERT_EQ(classes.size(), 3U);  // the synset with children is no class
    EXPECT_EQ(classes[0].folder, "n02119789");
    EXPECT_EQ(classes[0].name, "kit fox, Vulpes macrotis");
    EXPECT_EQ(classes[1].folder, "n02100735");
    EXPECT_EQ(classes[1].name, "English setter");
    EXPECT_EQ(classes[2].folder, "n04336792");
    EXPECT_EQ(classes[2].name, "str\u00eatcher \u2192");
  }
}

TEST_F(Devkit, WhatIsWrongIsSaidWithItsPlace) {
  const auto has = [](const std::string& error, const std::string& part) {
    EXPECT_NE(error.find(part), std::string::npos) << error << "\nhas no: " << part;
  };
  has(error_after([](auto& bytes) { bytes.resize(100); }),
      "meta.mat: at byte 100: the file ends within its header");
  has(error_after([](auto& bytes) { bytes[126] = std::byte{'M'}, bytes[127] = std::byte{'I'}; }),
      "big-endian");
  has(error_after([](auto& bytes) { bytes[126] = std::byte{'X'}; }),
      "at byte 124: no MATLAB file of level 5");
  has(error_after([](auto& bytes) { bytes.resize(bytes.size() - 40); }), "does not fit into the");
  has(error_after([](auto& bytes) { bytes.resize(128); }), "there is no variable 'synsets'");
  has(error_after([](auto& bytes) { bytes.resize(132); }),
      "at byte 128: expected a tag of 8 bytes, 4 are left");
  has(error_after([](auto& bytes) { bytes[place_of("WNID")] = std::byte{'X'}; }), "not all of the fields");
  // A number of members that would fill the memory.
  has(error_after([](auto& bytes) {
        const std::int32_t many = 1 << 30;
        std::memcpy(&bytes[place_of("synsets") - 16], &many, 4);  // before the name's tag
      }),
      "an array of more than 1000000 members");
  const std::vector<std::byte> packed = read_file(fixture("compressed.mat"));
  std::vector<std::byte> damaged = packed;
  damaged[damaged.size() / 2] ^= std::byte{0x40};
  write_file_atomically(file(), damaged);
  has(error_of([&] { (void)read_devkit_classes(file()); }),
      "the compressed variable is damaged or cut short");
}

TEST_F(Devkit, NumbersFollowEachOther) {
  // The number of a synset, 64 bits, stands eight words before the text of its id.
  const auto with_number = [&](std::int64_t number) {
    return error_after([&](auto& bytes) { std::memcpy(&bytes[place_of("n02119789") - 64], &number, 8); });
  };
  EXPECT_NE(with_number(2).find("two classes have the number 2"), std::string::npos);
  EXPECT_NE(with_number(4).find("expected class number 1 next, got 2"), std::string::npos);
  EXPECT_NE(with_number(0).find("expected a number from 1 to 4, got 0"), std::string::npos);
  EXPECT_NE(with_number(-1).find("expected a number from 1 to 4, got -1"), std::string::npos);
}

}  // namespace
}  // namespace secateur::data
