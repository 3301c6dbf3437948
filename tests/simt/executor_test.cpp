// The executor itself: what it runs right, and that each sort of planted fault is caught.
#include "simt/executor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "simt/cuda.h"
#include "simt/memory.h"

namespace secateur::simt {
namespace {

std::string run(unsigned blocks, unsigned threads, const std::function<void()>& body,
                std::int64_t shared_bytes = 0) {
  return execute("planted", {{blocks, 1, 1}, threads, shared_bytes}, body);
}

// Names this place in the fault, whichever line that is.
#define EXPECT_FAULT(fault, words) EXPECT_NE((fault).find(words), std::string::npos) << "fault: " << (fault)

template <typename T>
struct Buffer {
  explicit Buffer(std::size_t count) : memory(count * sizeof(T)) {}
  T* data() const { return reinterpret_cast<T*>(memory.data()); }
  GuardedBuffer memory;
};

unsigned lane() { return threadIdx.x % 32; }

TEST(Executor, RunsEveryThreadOfEveryBlock) {
  Buffer<int> out(1000);
  EXPECT_EQ(run(10, 100,
                [&] { out.data()[blockIdx.x * blockDim.x + threadIdx.x] = static_cast<int>(threadIdx.x); }),
            "");
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(out.data()[i], i % 100);
}

TEST(Executor, BarrierSeparatesWritesFromReads) {
  Buffer<float> out(256);
  EXPECT_EQ(run(1, 256,
                [&] {
                  __shared__ Shared<float, 256> tile;
                  tile[threadIdx.x] = static_cast<float>(threadIdx.x);
                  __syncthreads();
                  out.data()[threadIdx.x] = tile[255 - threadIdx.x];
                }),
            "");
  for (int i = 0; i < 256; ++i) EXPECT_EQ(out.data()[i], static_cast<float>(255 - i));
}

TEST(Executor, WarpCollectives) {
  Buffer<unsigned> out(64 * 8);
  EXPECT_EQ(run(1, 64,
                [&] {
                  unsigned* mine = out.data() + threadIdx.x * 8;
                  const unsigned t = threadIdx.x;
                  mine[0] = __shfl_xor_sync(0xFFFFFFFFU, t, 5);
                  mine[1] = __shfl_down_sync(0xFFFFFFFFU, t, 3);
                  mine[2] = __shfl_up_sync(0xFFFFFFFFU, t, 3);
                  mine[3] = __shfl_sync(0xFFFFFFFFU, t, 7);
                  mine[4] = __ballot_sync(0xFFFFFFFFU, lane() < 3 ? 1 : 0);
                  mine[5] = static_cast<unsigned>(__any_sync(0xFFFFFFFFU, t == 40 ? 1 : 0));
                  mine[6] = static_cast<unsigned>(__all_sync(0xFFFFFFFFU, t < 32 ? 1 : 0));
                  mine[7] = __reduce_add_sync(0xFFFFFFFFU, t);
                }),
            "");
  for (unsigned t = 0; t < 64; ++t) {
    const unsigned* mine = out.data() + t * 8;
    const unsigned first = t / 32 * 32;
    EXPECT_EQ(mine[0], t ^ 5U);
    EXPECT_EQ(mine[1], t % 32 < 29 ? t + 3 : t);
    EXPECT_EQ(mine[2], t % 32 >= 3 ? t - 3 : t);
    EXPECT_EQ(mine[3], first + 7);
    EXPECT_EQ(mine[4], 7U);
    EXPECT_EQ(mine[5], t >= 32 ? 1U : 0U);
    EXPECT_EQ(mine[6], t < 32 ? 1U : 0U);
    EXPECT_EQ(mine[7], 32 * first + 31 * 16);
  }
}

TEST(Executor, ShufflesWithinSegments) {
  Buffer<unsigned> out(64);
  EXPECT_EQ(run(1, 32,
                [&] {
                  out.data()[lane()] = __shfl_down_sync(0xFFFFFFFFU, lane(), 1, 8);
                  out.data()[32 + lane()] = __shfl_sync(0xFFFFFFFFU, lane(), 2, 4);
                }),
            "");
  for (unsigned t = 0; t < 32; ++t) {
    EXPECT_EQ(out.data()[t], t % 8 < 7 ? t + 1 : t);
    EXPECT_EQ(out.data()[32 + t], t / 4 * 4 + 2);
  }
}

TEST(Executor, AtomicsAndDynamicSharedMemory) {
  Buffer<int> count(1);
  *count.data() = 0;
  EXPECT_EQ(run(
                7, 64,
                [&] {
                  const DynamicShared<int> tally(16, 1);
                  if (threadIdx.x == 0) tally[0] = 0;
                  __syncthreads();
                  auto element = tally[0];
                  element.atomic_add(2);
                  __syncthreads();
                  if (threadIdx.x == 0) atomicAdd(count.data(), tally[0]);
                },
                32),
            "");
  EXPECT_EQ(*count.data(), 7 * 64 * 2);
}

TEST(Executor, SyncwarpOrdersItsWarp) {
  EXPECT_EQ(run(1, 64,
                [] {
                  __shared__ Shared<int, 64> tile;
                  tile[threadIdx.x] = 1;
                  __syncwarp();
                  const int neighbour = tile[threadIdx.x ^ 1U];
                  static_cast<void>(neighbour);
                }),
            "");
}

TEST(PlantedFault, BarrierThatSomeThreadsSkip) {
  EXPECT_FAULT(run(1, 64,
                   [] {
                     if (threadIdx.x < 32) __syncthreads();
                   }),
               "divergence");
}

TEST(PlantedFault, TwoDifferentBarriers) {
  // Outside the macro, within which both would stand on one line.
  const auto body = [] {
    if (threadIdx.x < 32) {  // NOLINT(bugprone-branch-clone): two places, which is what is tried
      __syncthreads();
    } else {
      __syncthreads();
    }
  };
  EXPECT_FAULT(run(1, 64, body), "divergence");
}

TEST(PlantedFault, ShuffleThatSomeLanesSkip) {
  EXPECT_FAULT(run(1, 32,
                   [] {
                     if (lane() < 16) __shfl_xor_sync(0xFFFFFFFFU, 1, 1);
                   }),
               "divergence");
}

TEST(PlantedFault, DifferentCollectivesInOneWarp) {
  EXPECT_FAULT(run(1, 32,
                   [] {
                     if (lane() < 16) {
                       __shfl_xor_sync(0xFFFFFFFFU, 1, 1);
                     } else {
                       __ballot_sync(0xFFFFFFFFU, 1);
                     }
                   }),
               "divergence");
}

TEST(PlantedFault, MaskThatLeavesLanesOut) {
  EXPECT_FAULT(run(1, 32, [] { __shfl_xor_sync(0xFFFFU, 1, 1); }), "mask");
}

TEST(PlantedFault, RaceOfReadAfterWrite) {
  EXPECT_FAULT(run(1, 64,
                   [] {
                     __shared__ Shared<int, 64> tile;
                     tile[threadIdx.x] = 1;
                     __syncwarp();
                     const int other = tile[63 - threadIdx.x];
                     static_cast<void>(other);
                   }),
               "shared element");
}

TEST(PlantedFault, RaceOfWriteAfterRead) {
  EXPECT_FAULT(run(1, 64,
                   [] {
                     __shared__ Shared<int, 64> tile;
                     tile[threadIdx.x] = 1;
                     __syncthreads();
                     const int other = tile[(threadIdx.x + 1) % 64];
                     tile[threadIdx.x] = other;
                   }),
               "race");
}

TEST(PlantedFault, RaceOfTwoWrites) {
  EXPECT_FAULT(run(1, 64,
                   [] {
                     __shared__ Shared<int, 1> tile;
                     tile[0] = 7;  // the same value: still a race
                   }),
               "race");
}

TEST(PlantedFault, RaceWithinAWarp) {
  EXPECT_FAULT(run(1, 32,
                   [] {
                     __shared__ Shared<int, 32> tile;
                     tile[lane()] = 1;
                     __syncwarp();
                     const int all = tile[0];
                     tile[lane()] = all;
                   }),
               "race");
}

TEST(PlantedFault, PlainWriteBesideAtomics) {
  EXPECT_FAULT(run(1, 64,
                   [] {
                     __shared__ Shared<int, 1> count;
                     if (threadIdx.x == 0) count[0] = 0;
                     __syncthreads();
                     if (threadIdx.x == 5) {
                       count[0] = 1;
                     } else {
                       count.atomic_add(0, 1);
                     }
                   }),
               "race");
}

TEST(PlantedFault, SharedReadBeforeWrite) {
  EXPECT_FAULT(run(1, 32,
                   [] {
                     __shared__ Shared<float, 33> tile;
                     tile[lane()] = 1.0F;
                     __syncthreads();
                     const float next = tile[lane() + 1];
                     static_cast<void>(next);
                   }),
               "before anything wrote it");
}

TEST(PlantedFault, SharedMemoryOfTheBlockBefore) {
  EXPECT_FAULT(run(2, 32,
                   [] {
                     __shared__ Shared<int, 32> tile;
                     if (blockIdx.x == 0) tile[lane()] = 1;
                     const int stale = tile[lane()];
                     static_cast<void>(stale);
                   }),
               "before anything wrote it");
}

TEST(PlantedFault, SharedOutOfBounds) {
  EXPECT_FAULT(run(1, 32,
                   [] {
                     __shared__ Shared<int, 31> tile;
                     tile[lane()] = 1;
                   }),
               "out of bounds of a shared array of 31");
  EXPECT_FAULT(run(
                   1, 32, [] { DynamicShared<int>(0, 8)[lane()] = 1; }, 64),
               "out of bounds of a shared array of 8");
  EXPECT_FAULT(run(
                   1, 32, [] { DynamicShared<int>(0, 17); }, 64),
               "ends past the bytes");
  EXPECT_FAULT(run(
                   1, 1, [] { DynamicShared<float>(0, 16).store16(1, {}); }, 64),
               "misaligned");
}

TEST(PlantedFault, GlobalOutOfBounds) {
  Buffer<int> buffer(100);
  EXPECT_FAULT(run(1, 128, [&] { buffer.data()[threadIdx.x] = 1; }),
               "bytes past the end of a buffer of 400 bytes");
  Buffer<int> source(100);
  EXPECT_FAULT(run(1, 32,
                   [&] {
                     const volatile int read = *(source.data() + 100 + threadIdx.x);
                     static_cast<void>(read);
                   }),
               "0 bytes past the end of a buffer of 400 bytes");
  const GuardedBuffer start(100, Flush::begin);
  EXPECT_FAULT(run(1, 1, [&] { start.data()[-1] = 1; }), "1 bytes before the start of a buffer of 100 bytes");
  // The executor is whole after a fault.
  EXPECT_EQ(run(1, 32, [&] { buffer.data()[threadIdx.x] = 1; }), "");
}

// A sanitizer of null pointers would see it before the executor does.
[[gnu::no_sanitize("null"), gnu::noinline]] void set_to_one(int* value) { *value = 1; }

TEST(PlantedFault, NullPointer) {
  int* volatile nothing = nullptr;
  EXPECT_FAULT(run(1, 1, [&] { set_to_one(nothing); }), "belongs to no buffer");
}

TEST(PlantedFault, ResultThatDependsOnTheOrder) {
  Buffer<float> sum(1);
  *sum.data() = 0.0F;
  // Float atomics: the sum of 1e8 and many ones depends on who comes first.
  EXPECT_FAULT(run(2, 64, [&] { atomicAdd(sum.data(), threadIdx.x == 0 && blockIdx.x == 0 ? 1e8F : 1.0F); }),
               "depends on the order");
  Buffer<unsigned> last(1);
  EXPECT_FAULT(run(4, 1, [&] { *last.data() = blockIdx.x; }), "depends on the order");
}

TEST(PlantedFault, LaunchThatNoDeviceTakes) {
  EXPECT_FAULT(run(1, 1025, [] {}), "1 to 1024 threads");
  EXPECT_FAULT(run(1, 0, [] {}), "1 to 1024 threads");
  EXPECT_FAULT(run(
                   1, 32, [] {}, 1 << 20),
               "shared memory");
}

TEST(HalfTypes, RoundTripEveryBitPattern) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto pattern = static_cast<std::uint16_t>(bits);
    const float half = half_bits_to_float(pattern);
    const float bfloat = bfloat_bits_to_float(pattern);
    if (std::isnan(half)) {
      EXPECT_TRUE(std::isnan(half_bits_to_float(float_to_half_bits(half))));
    } else {
      EXPECT_EQ(float_to_half_bits(half), pattern);
    }
    if (std::isnan(bfloat)) {
      EXPECT_TRUE(std::isnan(bfloat_bits_to_float(float_to_bfloat_bits(bfloat))));
    } else {
      EXPECT_EQ(float_to_bfloat_bits(bfloat), pattern);
    }
  }
}

TEST(HalfTypes, RoundToNearestEven) {
  // Between two neighbours: exactly half way goes to the even one, anything beyond to the nearer.
  for (unsigned bits = 0; bits < 0x7BFF; ++bits) {
    const double low = half_bits_to_float(static_cast<std::uint16_t>(bits));
    const double high = half_bits_to_float(static_cast<std::uint16_t>(bits + 1));
    const auto middle = static_cast<float>((low + high) / 2);
    EXPECT_EQ(float_to_half_bits(middle), bits % 2 == 0 ? bits : bits + 1);
    EXPECT_EQ(float_to_half_bits(std::nextafter(middle, 0.0F)), bits);
    EXPECT_EQ(float_to_half_bits(std::nextafter(middle, 1e9F)), bits + 1);
  }
  EXPECT_EQ(float_to_half_bits(65519.9F), 0x7BFF);
  EXPECT_EQ(float_to_half_bits(65520.0F), 0x7C00);
  EXPECT_EQ(float_to_half_bits(-65520.0F), 0xFC00);
  EXPECT_EQ(float_to_bfloat_bits(1.00390625F), 0x3F80);  // half way to the next: even
  EXPECT_EQ(float_to_bfloat_bits(1.01171875F), 0x3F82);
}

}  // namespace
}  // namespace secateur::simt
