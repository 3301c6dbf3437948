// Philox4x32-10, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011).
//
// A number depends only on what it is for (seed, purpose, two keys, position), never on how many were drawn
// before, so that any thread, order or resumed run draws the same. The CUDA kernels use the same generator
// and the same keys.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace secateur {

// What a random number is for. Values are part of the file format of runs: append, never renumber.
enum class RngPurpose : std::uint32_t {
  initialization = 1,  // keys: parameter's index, 0
  shuffle = 2,         // keys: epoch, 0
  augmentation = 3,    // keys: epoch, sample
  dropout = 4,         // keys: step, node
  split = 5,           // keys: 0, 0
  scoring_sample = 6,  // keys: round, 0
  synthetic = 7,       // keys: sample, split
  criterion = 8,       // keys: round, space
  test = 9,
  search = 10,      // keys: round, candidate
  corruption = 11,  // keys: sample, corruption
};

// One block of four 32-bit words.
[[nodiscard]] std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                      std::array<std::uint32_t, 2> key);

// A sequence of draws for one purpose and pair of keys: counter = {position, key_b, key_a, purpose}, key =
// seed.
class RandomSequence {
 public:
  RandomSequence(std::uint64_t seed, RngPurpose purpose, std::uint32_t key_a = 0, std::uint32_t key_b = 0);

  [[nodiscard]] std::uint32_t next_u32();
  // Uniform in [0, 1), 32 bits of resolution.
  [[nodiscard]] double uniform();
  [[nodiscard]] double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // Standard normal, by Box and Muller.
  [[nodiscard]] double normal();
  // Uniform in [0, bound), without bias; bound >= 1.
  [[nodiscard]] std::uint32_t below(std::uint32_t bound);
  // A permutation of 0 .. count-1 (Fisher and Yates).
  [[nodiscard]] std::vector<std::int64_t> permutation(std::int64_t count);

 private:
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
  double spare_normal_ = 0;
  bool has_spare_ = false;
};

}  // namespace secateur
