#include "secateur/io/checkpoint.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "io/state_image.h"
#include "secateur/core/error.h"
#include "secateur/io/files.h"

namespace secateur {
namespace {

// The envelope, at the start of the user block; numbers little-endian, the rest of the block zero:
// magic [0, 8), version [8, 12), zero [12, 16), bytes of the whole file [16, 24), checksum [24, 40).
constexpr std::array<char, 8> kMagic{'S', 'E', 'C', 'A', 'T', 'E', 'U', 'R'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kLengthAt = 16;
constexpr std::size_t kChecksumAt = 24;

using Checksum = XXH128_canonical_t;
constexpr std::size_t kChecksumEnd = kChecksumAt + sizeof(Checksum);

template <class Integer>
void put(std::span<std::byte> file, std::size_t at, Integer value) {
  for (std::size_t i = 0; i < sizeof(Integer); ++i) file[at + i] = static_cast<std::byte>(value >> (8 * i));
}

template <class Integer>
Integer take(std::span<const std::byte> file, std::size_t at) {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    value |= std::to_integer<Integer>(file[at + i]) << (8 * i);
  return value;
}

// Over every byte of the file but the checksum's own.
Checksum checksum_of(std::span<const std::byte> file) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  require(
      state != nullptr && XXH3_128bits_reset(state.get()) == XXH_OK &&
          XXH3_128bits_update(state.get(), file.data(), kChecksumAt) == XXH_OK &&
          XXH3_128bits_update(state.get(), file.data() + kChecksumEnd, file.size() - kChecksumEnd) == XXH_OK,
      "a checksum cannot be computed: out of memory");
  Checksum checksum;
  XXH128_canonicalFromHash(&checksum, XXH3_128bits_digest(state.get()));
  return checksum;
}

void seal(std::span<std::byte> file) {
  std::memcpy(file.data(), kMagic.data(), kMagic.size());
  put(file, kVersionAt, kVersion);
  put(file, kLengthAt, static_cast<std::uint64_t>(file.size()));
  const Checksum checksum = checksum_of(file);
  std::memcpy(file.data() + kChecksumAt, checksum.digest, sizeof(Checksum));
}

void verify(const std::filesystem::path& path, std::span<const std::byte> file) {
  const std::string name = path.string();
  require(!file.empty(), "'{}' is not a checkpoint: it is empty", name);
  const std::size_t magic_bytes = std::min(file.size(), kMagic.size());
  require(std::memcmp(file.data(), kMagic.data(), magic_bytes) == 0,
          "'{}' is not a checkpoint: it does not begin with {}", name,
          std::string_view(kMagic.data(), kMagic.size()));
  require(file.size() >= static_cast<std::size_t>(kUserBlockBytes),
          "checkpoint '{}' is cut short: it has {} bytes and its envelope alone {}", name, file.size(),
          kUserBlockBytes);
  const auto version = take<std::uint32_t>(file, kVersionAt);
  require(version <= kVersion,
          "checkpoint '{}' has format version {}, written by a newer program (or damaged); this one reads up "
          "to {}",
          name, version, kVersion);
  const auto length = take<std::uint64_t>(file, kLengthAt);
  require(file.size() >= length, "checkpoint '{}' is cut short: it has {} bytes and should have {}", name,
          file.size(), length);
  require(file.size() <= length, "checkpoint '{}' is longer than it says: it has {} bytes and should have {}",
          name, file.size(), length);
  require(std::memcmp(checksum_of(file).digest, file.data() + kChecksumAt, sizeof(Checksum)) == 0,
          "checkpoint '{}' is damaged: its checksum differs", name);
  require(version == kVersion, "checkpoint '{}' has the unknown format version {}", name, version);
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path, const StateTree& tree) {
  std::vector<std::byte> file = make_state_image(tree);
  seal(file);
  write_file_atomically(path, file);
}

StateTree read_checkpoint(const std::filesystem::path& path) {
  std::vector<std::byte> file = read_file(path);
  verify(path, file);
  try {
    return read_state_image(std::move(file));
  } catch (const Error& error) {
    throw Error(fmt::format("checkpoint '{}' cannot be read: {}", path.string(), error.what()),
                error.where());
  }
}

}  // namespace secateur
