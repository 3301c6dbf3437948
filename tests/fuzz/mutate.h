// Mutations of an input, for the stand-alone driver. The same seed and number give the same input on every
// machine, so that a number is enough to have a finding again.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace secateur::fuzz {

using Bytes = std::vector<std::uint8_t>;

// Mutation `number` of one of the seeds, 1 to 8 changes on top of each other: bits flipped, integers replaced
// by those at which arithmetic goes wrong (as bytes of both orders and as decimal text), pieces cut, copied,
// repeated or taken from another seed, brackets piled up. At most kMostBytes long. `seeds` is not empty.
[[nodiscard]] Bytes mutated(std::span<const Bytes> seeds, std::uint64_t seed, std::uint64_t number);

inline constexpr std::size_t kMostBytes = std::size_t{1} << 16;

}  // namespace secateur::fuzz
