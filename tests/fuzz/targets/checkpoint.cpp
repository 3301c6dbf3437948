// The envelope of a checkpoint. HDF5 must not see a byte of a file whose length or checksum is not right;
// what it makes of a file that was sealed on purpose is out of scope (SECURITY.md), and a fuzzer that watches
// comparisons learns to seal them.
#define XXH_INLINE_ALL
#include "secateur/io/checkpoint.h"

#include <xxhash.h>

#include <algorithm>
#include <vector>

#include "fuzz/fuzz_target.h"

namespace {

// The checksum at [24, 40) is that of all other bytes.
bool is_sealed(std::span<const std::uint8_t> file) {
  constexpr std::ptrdiff_t kChecksumAt = 24;
  constexpr std::ptrdiff_t kChecksumEnd = 40;
  if (file.size() < kChecksumEnd) return false;
  std::vector<std::uint8_t> others(file.begin(), file.begin() + kChecksumAt);
  others.insert(others.end(), file.begin() + kChecksumEnd, file.end());
  XXH128_canonical_t checksum;
  XXH128_canonicalFromHash(&checksum, XXH3_128bits(others.data(), others.size()));
  return std::equal(std::begin(checksum.digest), std::end(checksum.digest), file.begin() + kChecksumAt);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  if (is_sealed({data, size})) return 0;
  static const fuzz::MemoryFile file;
  file.fill({data, size});
  const std::string message = fuzz::message_of([] { static_cast<void>(read_checkpoint(file.path())); });
  if (message.empty()) fuzz::broken("a checkpoint that is not sealed is refused");
  // "cannot be read" is what is said once the envelope was in order.
  if (message.find("cannot be read") != std::string::npos) {
    fuzz::broken("HDF5 sees no file whose envelope is wrong:", message);
  }
  return 0;
}
