#include "secateur/dist/communicator.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace secateur {

Communicator::Communicator(int rank, int size) : rank_(rank), size_(size) {
  require(size >= 1 && rank >= 0 && rank < size, "rank {} is none of {} processes", rank, size);
}

bool Communicator::any(bool mine) {
  const std::array<std::byte, 1> flag{mine ? std::byte{1} : std::byte{0}};
  const auto flags = all_gather(flag);
  return std::ranges::any_of(flags, [](const auto& theirs) { return theirs.at(0) != std::byte{0}; });
}

void Communicator::require_equal(std::uint64_t hash, std::string_view what) {
  const auto hashes = all_gather(std::as_bytes(std::span(&hash, 1)));
  std::vector<int> others;
  for (std::size_t rank = 1; rank < hashes.size(); ++rank) {
    if (hashes[rank] != hashes[0]) others.push_back(static_cast<int>(rank));
  }
  require(others.empty(),
          "the processes went apart: {} of rank {} is not that of rank 0; all of them need the same version, "
          "the same files and processors of one kind",
          what, fmt::join(others, ", "));
}

Share share_of(std::int64_t items, const Communicator* communicator) {
  if (communicator == nullptr) return {0, items};
  const std::int64_t size = communicator->size();
  const std::int64_t rank = communicator->rank();
  const std::int64_t first = items * rank / size;
  return {first, items * (rank + 1) / size - first};
}

}  // namespace secateur
