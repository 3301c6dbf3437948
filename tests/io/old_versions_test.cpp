// Checkpoints of every format version that there was, kept as files: whatever the format becomes, these are
// read, and a network in them computes what it computed then.
//
// A new version gets a file of its own, written once by its first program:
//   io_tests --gtest_also_run_disabled_tests --gtest_filter=OldVersions.DISABLED_WriteTheFileOfThisVersion
#include <gtest/gtest.h>

#include <filesystem>

#include "io/temporary_folder.h"
#include "secateur/io/checkpoint.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"
#include "test_paths.h"

namespace secateur {
namespace {

namespace fs = std::filesystem;

constexpr int kVersions = 1;
constexpr std::int64_t kImages = 4;

fs::path file_of(int version) {
  return fs::path(test::kSourceDir) / "tests/io/fixtures" / ("version_" + std::to_string(version) + ".h5");
}

// Values of every kind that stand in each of the files.
void set_values(StateTree& tree) {
  tree.set("values/integer", std::int64_t{1} << 60);
  tree.set("values/real", 0.1);
  tree.set("values/boolean", true);
  tree.set("values/string", "époque\n");
  tree.set("values/integers", std::vector<std::int64_t>{3, -1});
  tree.set("values/reals", std::vector<double>{1.0 / 3, -2e300});
  tree.set("values/strings", std::vector<std::string>{"conv1", "", "größe"});
  tree.set("values/tensor", StoredTensor{DType::bf16, {2, 3}, std::vector<std::byte>(12, std::byte{0x3f})});
}

// What a stored network makes of images that depend on nothing but this code, in float64.
std::vector<double> logits_of(const StateTree& tree) {
  const auto device = open_device(DeviceKind::reference);
  const auto stream = device->make_stream();
  Model model = Model::load(StateReader(tree).scope("model"), *device, *stream);
  Arena arena(*device);
  Program program(model, arena, *stream, {.batch = kImages, .precision = Precision::fp64});
  std::vector<double> images(static_cast<std::size_t>(program.images().count()));
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<double>(i * 37 % 101) / 50 - 1;
  write_values(program.images(), images, *stream);
  program.forward({});
  return read_values(program.logits(), *stream);
}

TEST(OldVersions, AreReadAndTheirNetworksCompute) {
  for (int version = 1; version <= kVersions; ++version) {
    SCOPED_TRACE("version " + std::to_string(version));
    const std::string bytes = test::read_text(file_of(version));
    ASSERT_GT(bytes.size(), 1000U) << file_of(version) << " is missing";
    ASSERT_EQ(bytes.at(8), version) << "the file is of another version than its name says";
    const StateTree tree = read_checkpoint(file_of(version));
    StateTree expected;
    set_values(expected);
    for (const auto& [name, value] : expected.entries()) {
      ASSERT_TRUE(tree.entries().contains(name)) << name;
      EXPECT_TRUE(tree.entries().at(name) == value) << name;
    }
    const auto& logits = tree.get<std::vector<double>>("expected/logits");
    EXPECT_LT(selftest::relative_error(logits_of(tree), logits), 1e-12);
    EXPECT_EQ(test::read_text(file_of(version)), bytes) << "reading changed the file";
  }
}

// A program writes the newest version that it knows: a file of that version is among those above.
TEST(OldVersions, TheVersionOfTodayHasItsFile) {
  const test::TemporaryFolder folder;
  write_checkpoint(folder / "now", StateTree());
  EXPECT_EQ(test::read_text(folder / "now").at(8), kVersions);
}

TEST(OldVersions, DISABLED_WriteTheFileOfThisVersion) {
  ASSERT_FALSE(fs::exists(file_of(kVersions))) << "a file of an old version is never written again";
  const selftest::WholeModel whole(selftest::small_resnet(), DeviceKind::cpu);
  StateTree tree;
  set_values(tree);
  whole.model.save(StateWriter(tree).scope("model"), *whole.stream);
  tree.set("expected/logits", logits_of(tree));
  write_checkpoint(file_of(kVersions), tree);
}

}  // namespace
}  // namespace secateur
