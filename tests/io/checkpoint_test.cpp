#include "secateur/io/checkpoint.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "io/temporary_folder.h"

namespace secateur {
namespace {

using test::read_text;
using test::TemporaryFolder;
using test::write_text;

StoredTensor tensor(DType type, const Shape& shape) {
  StoredTensor made{type, shape,
                    std::vector<std::byte>(static_cast<std::size_t>(shape.count() * size_of(type)))};
  for (std::size_t i = 0; i < made.bytes.size(); ++i) made.bytes[i] = static_cast<std::byte>(37 * i + 11);
  return made;
}

StateTree every_kind() {
  StateTree tree;
  tree.set("integer/least", std::numeric_limits<std::int64_t>::min());
  tree.set("integer/greatest", std::numeric_limits<std::int64_t>::max());
  tree.set("real/tenth", 0.1);
  tree.set("real/tiny", 5e-324);
  tree.set("real/minus zero", -0.0);
  tree.set("real/infinite", -std::numeric_limits<double>::infinity());
  tree.set("boolean/yes", true);
  tree.set("boolean/no", false);
  tree.set("string/empty", "");
  tree.set("string/text", "épochs\n");
  tree.set("string/zeros", std::string("\0a\0\0", 4));
  tree.set("integers/some", std::vector<std::int64_t>{3, -1, std::int64_t{1} << 60});
  tree.set("integers/none", std::vector<std::int64_t>{});
  tree.set("reals/some", std::vector<double>{1.0 / 3, -2e300});
  tree.set("reals/none", std::vector<double>{});
  tree.set("strings/some", std::vector<std::string>{"conv1", "", "größe"});
  tree.set("strings/none", std::vector<std::string>{});
  for (const DType type :
       {DType::f32, DType::f64, DType::f16, DType::bf16, DType::u8, DType::i32, DType::i64}) {
    const std::string name(name_of(type));
    tree.set("tensors/" + name + "/matrix", tensor(type, {5, 3}));
    tree.set("tensors/" + name + "/filters", tensor(type, {2, 3, 3, 7}));
    tree.set("tensors/" + name + "/scalar", tensor(type, {}));
    tree.set("tensors/" + name + "/empty", tensor(type, {4, 0, 2}));
  }
  tree.set("a/very/deep/path/with.dots and spaces/ünicode", 1);
  return tree;
}

TEST(Checkpoint, RoundTripOfEveryKind) {
  const TemporaryFolder folder;
  const StateTree tree = every_kind();
  write_checkpoint(folder / "state", tree);
  const StateTree back = read_checkpoint(folder / "state");
  ASSERT_EQ(back.entries().size(), tree.entries().size());
  for (const auto& [path, value] : tree.entries()) {
    ASSERT_TRUE(back.contains(path)) << path;
    EXPECT_EQ(back.at(path).index(), value.index()) << path;
    EXPECT_TRUE(back.at(path) == value) << path;
  }
  EXPECT_TRUE(std::signbit(back.get<double>("real/minus zero")));
  EXPECT_EQ(folder.num_files(), 1);
}

TEST(Checkpoint, KeepsTheBitsOfNan) {
  const TemporaryFolder folder;
  const std::uint64_t bits = 0x7ff4000000abcdefULL;  // a signalling one with a payload
  double value = 0;
  std::memcpy(&value, &bits, sizeof(bits));
  StateTree tree;
  tree.set("one", value);
  tree.set("several", std::vector<double>{1.0, value});
  write_checkpoint(folder / "state", tree);
  const StateTree back = read_checkpoint(folder / "state");
  std::uint64_t back_bits = 0;
  std::memcpy(&back_bits, &back.get<double>("one"), sizeof(bits));
  EXPECT_EQ(back_bits, bits);
  std::memcpy(&back_bits, &back.get<std::vector<double>>("several")[1], sizeof(bits));
  EXPECT_EQ(back_bits, bits);
}

TEST(Checkpoint, RoundTripOfAnEmptyTree) {
  const TemporaryFolder folder;
  write_checkpoint(folder / "state", StateTree());
  EXPECT_TRUE(read_checkpoint(folder / "state").entries().empty());
}

TEST(Checkpoint, RoundTripOfManyEntriesAndLargeTensors) {
  const TemporaryFolder folder;
  StateTree tree;
  for (int i = 0; i < 2000; ++i)
    tree.set("momentum/layer" + std::to_string(i), tensor(DType::f32, {1 + i % 7}));
  tree.set("large", tensor(DType::f32, {1 << 20}));
  std::vector<std::string> names;
  names.reserve(3000);
  for (int i = 0; i < 3000; ++i) names.push_back("name of entry " + std::to_string(i));
  tree.set("names", names);
  tree.set("long", std::string(200000, 'x'));
  write_checkpoint(folder / "state", tree);
  EXPECT_EQ(read_checkpoint(folder / "state"), tree);
}

TEST(Checkpoint, SameTreeSameBytes) {
  const TemporaryFolder folder;
  write_checkpoint(folder / "first", every_kind());
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5 stores times in whole seconds
  write_checkpoint(folder / "second", every_kind());
  EXPECT_TRUE(read_text(folder / "first") == read_text(folder / "second"));
}

TEST(Checkpoint, ReplacesAnOldOne) {
  const TemporaryFolder folder;
  write_checkpoint(folder / "state", every_kind());
  StateTree small;
  small.set("x", 1);
  write_checkpoint(folder / "state", small);
  EXPECT_EQ(read_checkpoint(folder / "state"), small);
  EXPECT_EQ(folder.num_files(), 1);
}

TEST(Checkpoint, RefusesValuesThatCannotBeStored) {
  const TemporaryFolder folder;
  StateTree short_tensor;
  short_tensor.set("layer/weight", StoredTensor{DType::f32, {2, 2}, std::vector<std::byte>(15)});
  EXPECT_ERROR(write_checkpoint(folder / "state", short_tensor), "layer/weight", "[2, 2]", "16", "15");
  StateTree zero_in_list;
  zero_in_list.set("names", std::vector<std::string>{"a", std::string("b\0c", 3)});
  EXPECT_ERROR(write_checkpoint(folder / "state", zero_in_list), "names", "NUL");
  EXPECT_EQ(folder.num_files(), 0);
}

TEST(Checkpoint, UsableFromSeveralThreadsAtOnce) {
  const TemporaryFolder folder;
  std::vector<std::thread> threads;
  std::array<bool, 4> same{};
  for (std::size_t i = 0; i < same.size(); ++i) {
    threads.emplace_back([&folder, &same, i] {
      StateTree tree = every_kind();
      tree.set("thread", static_cast<std::int64_t>(i));
      const auto path = folder / std::to_string(i);
      bool all = true;
      for (int repeat = 0; repeat < 5; ++repeat) {
        write_checkpoint(path, tree);
        all = all && read_checkpoint(path) == tree;
      }
      same.at(i) = all;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(same, (std::array<bool, 4>{true, true, true, true}));
}

TEST(Checkpoint, NamesTheFileThatCannotBeReadOrWritten) {
  const TemporaryFolder folder;
  EXPECT_ERROR(static_cast<void>(read_checkpoint(folder / "missing")), "missing'", "No such file");
  EXPECT_ERROR(static_cast<void>(read_checkpoint(folder.path())), folder.path().string(), "folder");
  EXPECT_ERROR(write_checkpoint(folder / "missing" / "state", StateTree()), "missing/state", "No such file");
  EXPECT_ERROR(write_checkpoint(folder.path(), StateTree()), folder.path().string(), "folder");
  write_text(folder / "empty", "");
  EXPECT_ERROR(static_cast<void>(read_checkpoint(folder / "empty")), "empty'", "not a checkpoint");
  write_text(folder / "other", std::string(2000, 'x'));
  EXPECT_ERROR(static_cast<void>(read_checkpoint(folder / "other")), "other'", "not a checkpoint");
}

}  // namespace
}  // namespace secateur
