// What becomes of checkpoints that were damaged, cut, forged, or whose writer was killed.
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

#include "io/temporary_folder.h"
#include "secateur/core/rng.h"
#include "secateur/io/checkpoint.h"

namespace secateur {
namespace {

using test::read_text;
using test::TemporaryFolder;
using test::write_text;

// The envelope as docs and header describe it, written down here a second time.
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kLengthAt = 16;
constexpr std::size_t kChecksumAt = 24;
constexpr std::size_t kChecksumEnd = 40;
constexpr std::size_t kUserBlock = 512;

StateTree small_tree() {
  StateTree tree;
  tree.set("epoch", 12);
  tree.set("name", "resnet20");
  tree.set("model/weight", StoredTensor{DType::f32, {3}, std::vector<std::byte>(12, std::byte{0x3f})});
  return tree;
}

std::string small_file(const TemporaryFolder& folder) {
  write_checkpoint(folder / "small", small_tree());
  return read_text(folder / "small");
}

std::string checksum_of(const std::string& file) {
  const std::string covered = file.substr(0, kChecksumAt) + file.substr(kChecksumEnd);
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(covered.data(), covered.size()));
  return {reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest)};
}

// Makes length and checksum right for whatever the file holds.
void reseal(std::string& file) {
  const auto length = static_cast<std::uint64_t>(file.size());
  std::memcpy(file.data() + kLengthAt, &length, sizeof(length));
  file.replace(kChecksumAt, kChecksumEnd - kChecksumAt, checksum_of(file));
}

TEST(CheckpointEnvelope, IsWhatItIsDocumentedToBe) {
  const TemporaryFolder folder;
  const std::string file = small_file(folder);
  EXPECT_EQ(file.substr(0, 8), "SECATEUR");
  EXPECT_EQ(file.substr(kVersionAt, 8), std::string("\1\0\0\0\0\0\0\0", 8));
  std::uint64_t length = 0;
  std::memcpy(&length, file.data() + kLengthAt, sizeof(length));
  EXPECT_EQ(length, file.size());
  EXPECT_EQ(file.substr(kChecksumAt, 16), checksum_of(file));
  EXPECT_EQ(file.substr(kChecksumEnd, kUserBlock - kChecksumEnd),
            std::string(kUserBlock - kChecksumEnd, '\0'));
  EXPECT_EQ(file.substr(kUserBlock, 8), "\x89HDF\r\n\x1a\n");
}

// A plain HDF5 program finds the data where it would look for it.
TEST(CheckpointEnvelope, LeavesAnOrdinaryHdf5File) {
  const TemporaryFolder folder;
  small_file(folder);
  const hid_t file = H5Fopen((folder / "small").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  ASSERT_GE(file, 0);
  const hid_t dataset = H5Dopen2(file, "/model/weight", H5P_DEFAULT);
  ASSERT_GE(dataset, 0);
  std::array<float, 3> values{};
  EXPECT_GE(H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
  std::uint32_t bits = 0x3f3f3f3f;
  float expected = 0;
  std::memcpy(&expected, &bits, sizeof(bits));
  for (const float value : values) EXPECT_EQ(value, expected);
  H5Dclose(dataset);
  H5Fclose(file);
}

TEST(CheckpointDamage, EveryFlippedByteIsSeen) {
  const TemporaryFolder folder;
  std::string file = small_file(folder);
  int missed = 0;
  const auto path = folder / "damaged";
  write_text(path, file);
  std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
  for (std::size_t i = 0; i < file.size(); ++i) {
    // One bit, another one at each position, and all eight.
    for (const int flip : {1 << (i % 8), 0xff}) {
      stream.seekp(static_cast<std::streamoff>(i));
      stream.put(static_cast<char>(file[i] ^ flip));
      stream.flush();
      // By the envelope, that is: "cannot be read" is what is said once HDF5 has been asked.
      const std::string message = test::error_of([&] { static_cast<void>(read_checkpoint(path)); });
      if (message.empty() || message.find("cannot be read") != std::string::npos) {
        ADD_FAILURE() << "byte " << i << " flipped by " << flip << " unseen: " << message;
        ASSERT_LT(++missed, 10);
      }
    }
    stream.seekp(static_cast<std::streamoff>(i));
    stream.put(file[i]);
    stream.flush();
  }
  EXPECT_EQ(read_checkpoint(path), small_tree());
}

TEST(CheckpointDamage, EveryCutIsSeen) {
  const TemporaryFolder folder;
  const std::string file = small_file(folder);
  const auto path = folder / "cut";
  write_text(path, file);
  for (std::size_t length = file.size(); length-- > 0;) {
    std::filesystem::resize_file(path, length);
    const std::string message = test::error_of([&] { static_cast<void>(read_checkpoint(path)); });
    const char* reason = length == 0 ? "it is empty" : "cut short";
    ASSERT_NE(message.find(reason), std::string::npos) << "cut to " << length << ": " << message;
  }
}

TEST(CheckpointDamage, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  const std::string good = small_file(folder);
  const auto path = folder / "bad";
  write_text(path, good + '\0');
  EXPECT_ERROR(static_cast<void>(read_checkpoint(path)), "bad'", "longer", std::to_string(good.size()),
               std::to_string(good.size() + 1));

  std::string newer = good;
  newer[kVersionAt] = 2;
  reseal(newer);
  write_text(path, newer);
  EXPECT_ERROR(static_cast<void>(read_checkpoint(path)), "bad'", "version 2", "newer");

  std::string zero = good;
  zero[kVersionAt] = 0;
  reseal(zero);
  write_text(path, zero);
  EXPECT_ERROR(static_cast<void>(read_checkpoint(path)), "bad'", "version 0");

  std::string flipped = good;
  flipped[good.size() - 1] = static_cast<char>(flipped[good.size() - 1] ^ 1);
  write_text(path, flipped);
  EXPECT_ERROR(static_cast<void>(read_checkpoint(path)), "bad'", "damaged", "checksum");
}

TEST(CheckpointDamage, ASealOnNoHdf5FileIsAnError) {
  const TemporaryFolder folder;
  std::string forged = small_file(folder).substr(0, kUserBlock);
  for (const std::string& content : {std::string(), std::string(3000, 'x')}) {
    std::string file = forged + content;
    reseal(file);
    write_text(folder / "forged", file);
    EXPECT_ERROR(static_cast<void>(read_checkpoint(folder / "forged")), "forged'", "HDF5");
  }
}

// Edits the HDF5 part with the plain library, as another program might, and seals it again.
void edit(const std::filesystem::path& path, const std::function<void(hid_t)>& change) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  ASSERT_GE(file, 0);
  change(file);
  ASSERT_GE(H5Fclose(file), 0);
  std::string bytes = read_text(path);
  reseal(bytes);
  write_text(path, bytes);
}

TEST(CheckpointDamage, ForeignContentIsAnError) {
  const TemporaryFolder folder;
  const auto path = folder / "small";
  small_file(folder);
  edit(path, [](hid_t file) { H5Adelete_by_name(file, "epoch", "kind", H5P_DEFAULT); });
  EXPECT_ERROR(static_cast<void>(read_checkpoint(path)), "small'", "kind", "epoch");

  small_file(folder);
  edit(path, [](hid_t file) { H5Lcreate_soft("/epoch", file, "alias", H5P_DEFAULT, H5P_DEFAULT); });
  EXPECT_ERROR(static_cast<void>(read_checkpoint(path)), "alias", "link");

  small_file(folder);
  edit(path, [](hid_t file) {  // an integer where the kind says tensor
    H5Lmove(file, "epoch", file, "integer", H5P_DEFAULT, H5P_DEFAULT);
    const hid_t weight = H5Dopen2(file, "model/weight", H5P_DEFAULT);
    const hid_t integer = H5Dopen2(file, "integer", H5P_DEFAULT);
    H5Adelete(integer, "kind");
    const hid_t kind = H5Aopen(weight, "kind", H5P_DEFAULT);
    const hid_t type = H5Aget_type(kind);
    const hid_t space = H5Aget_space(kind);
    const hid_t copy = H5Acreate2(integer, "kind", type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(copy, type, "tensor");
    for (const hid_t id : {copy, kind}) H5Aclose(id);
    H5Sclose(space);
    H5Tclose(type);
    for (const hid_t id : {weight, integer}) H5Dclose(id);
  });
  EXPECT_ERROR(static_cast<void>(read_checkpoint(path)), "integer", "dtype");
}

// The state of generation i holds i everywhere, so that a mixture of two shows.
StateTree generation(std::int64_t i) {
  StateTree tree;
  tree.set("generation", i);
  tree.set("weights",
           StoredTensor{DType::u8, {300000}, std::vector<std::byte>(300000, static_cast<std::byte>(i))});
  return tree;
}

TEST(CheckpointKill, TheFileAlwaysReadsWhole) {
  const TemporaryFolder folder;
  const auto path = folder / "state";
  // Writers live for up to some writes, however long one takes here.
  const auto start = std::chrono::steady_clock::now();
  write_checkpoint(path, generation(0));
  const auto write =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
  const auto longest = static_cast<std::uint32_t>(std::max<std::int64_t>(20000, 4 * write.count()));
  RandomSequence delays(7, RngPurpose::test);
  std::int64_t latest = 0;
  for (int kill_number = 0; kill_number < 50; ++kill_number) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        for (std::int64_t i = latest + 1;; ++i) write_checkpoint(path, generation(i));
      } catch (...) {
        _exit(1);
      }
    }
    usleep(1000 + delays.below(longest));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer failed by itself";

    const StateTree tree = read_checkpoint(path);
    const auto now = tree.get<std::int64_t>("generation");
    ASSERT_GE(now, latest);
    ASSERT_EQ(tree, generation(now));
    latest = now;
  }
  EXPECT_GT(latest, 0) << "no writer got as far as a single checkpoint";
}

}  // namespace
}  // namespace secateur
