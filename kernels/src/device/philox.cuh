// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), counter-based: a
// number depends only on its seed and counter. The order of draws is a sequence's words 0, 1, 2, 3 of blocks
// 0, 1, ...
#pragma once

#include "numeric.cuh"

namespace secateur::kernels {

struct PhiloxBlock {
  std::uint32_t word[4];
};

__device__ __forceinline__ PhiloxBlock philox4x32(PhiloxBlock counter, std::uint32_t key0,
                                                  std::uint32_t key1) {
  constexpr std::uint32_t kMultiplier0 = 0xD2511F53U;
  constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57U;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const std::uint32_t high0 = __umulhi(kMultiplier0, counter.word[0]);
    const std::uint32_t high1 = __umulhi(kMultiplier1, counter.word[2]);
    const std::uint32_t low0 = kMultiplier0 * counter.word[0];
    const std::uint32_t low1 = kMultiplier1 * counter.word[2];
    counter = {{high1 ^ counter.word[1] ^ key0, low1, high0 ^ counter.word[3] ^ key1, low0}};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return counter;
}

// Draws for one purpose and pair of keys: counter = {position, key_b, key_a, purpose}, key = seed.
class RandomSequence {
 public:
  __device__ __forceinline__ RandomSequence(std::uint64_t seed, std::uint32_t purpose, std::uint32_t key_a,
                                            std::uint32_t key_b)
      : counter_{{0, key_b, key_a, purpose}},
        key0_(static_cast<std::uint32_t>(seed)),
        key1_(static_cast<std::uint32_t>(seed >> 32)) {}

  __device__ __forceinline__ std::uint32_t next() {
    if (used_ == 0) {
      block_ = philox4x32(counter_, key0_, key1_);
      counter_.word[0] += 1;
    }
    // Selected rather than indexed: an index known only at run time would put the block into local memory.
    const std::uint32_t low = used_ == 0 ? block_.word[0] : block_.word[1];
    const std::uint32_t high = used_ == 2 ? block_.word[2] : block_.word[3];
    const std::uint32_t drawn = used_ < 2 ? low : high;
    used_ = (used_ + 1) % 4;
    return drawn;
  }

  // Uniform in [0, bound) without bias (Lemire's multiply-shift with rejection); bound >= 1.
  __device__ __forceinline__ std::uint32_t below(std::uint32_t bound) {
    const std::uint32_t threshold = (0U - bound) % bound;
    while (true) {
      const std::uint32_t drawn = next();
      if (drawn * bound >= threshold) return __umulhi(drawn, bound);
    }
  }

 private:
  PhiloxBlock counter_;
  PhiloxBlock block_{};
  std::uint32_t key0_;
  std::uint32_t key1_;
  int used_ = 0;
};

}  // namespace secateur::kernels
