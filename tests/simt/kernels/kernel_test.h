// What the tests of all kernels share: typed buffers between guard pages, fresh random input, errors against
// a float64 oracle.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"
#include "simt/memory.h"

namespace secateur::kernels::test {

// Seed of this run: SECATEUR_TEST_SEED, or 1.
std::uint64_t run_seed();

// Random numbers for one use; each call site gets its own sequence from the run's seed.
class Random {
 public:
  Random();
  std::uint64_t next();
  double uniform(double low, double high);
  double normal();
  std::int64_t below(std::int64_t bound);
  std::vector<double> normals(std::int64_t count, double mean = 0.0, double deviation = 1.0);

 private:
  std::uint64_t state_;
};

// Where a buffer lies: its last byte at the guard page; on a 16-byte boundary as near to that as possible;
// one element off such a boundary; or its first byte at the guard page.
enum class Placement { exact, aligned, misaligned, begin };

// Rows of channels in device memory. Every byte is poisoned (NaN) first; lanes past the channels stay so.
class MapBuffer {
 public:
  MapBuffer(DType type, std::int64_t rows, std::int64_t channels, std::int64_t ld = -1,
            Placement placement = Placement::aligned);

  // Stores values [rows, channels], rounded to the type.
  MapBuffer& fill(const std::vector<double>& values);
  [[nodiscard]] std::vector<double> values() const;
  // True while no lane past the channels has been written.
  [[nodiscard]] bool padding_untouched() const;
  [[nodiscard]] void* data() const { return rows_ * channels_ > 0 ? buffer_.data() : nullptr; }
  [[nodiscard]] std::int64_t ld() const { return ld_; }

 private:
  [[nodiscard]] double element(std::int64_t index) const;

  DType type_;
  std::int64_t rows_;
  std::int64_t channels_;
  std::int64_t ld_;
  simt::GuardedBuffer buffer_;
};

// `count` elements of a plain type in device memory, poisoned at first.
template <typename T>
class Array {
 public:
  explicit Array(std::int64_t count) : buffer_(static_cast<std::size_t>(count) * sizeof(T)), count_(count) {}
  explicit Array(const std::vector<T>& values) : Array(static_cast<std::int64_t>(values.size())) {
    std::copy(values.begin(), values.end(), data());
  }
  [[nodiscard]] T* data() const { return reinterpret_cast<T*>(buffer_.data()); }
  [[nodiscard]] std::vector<T> values() const { return {data(), data() + count_}; }
  [[nodiscard]] std::vector<double> doubles() const { return {data(), data() + count_}; }
  [[nodiscard]] std::int64_t bytes() const { return static_cast<std::int64_t>(buffer_.size()); }

 private:
  simt::GuardedBuffer buffer_;
  std::int64_t count_;
};

// ||out - reference|| / ||reference||; infinite where a value is not finite or the sizes differ. Where the
// reference is all zeros, the plain norm of the difference. Where results are sums whose terms may cancel,
// `terms` are the sizes that rounding goes by, and the larger norm counts.
double relative_error(const std::vector<double>& out, const std::vector<double>& reference,
                      const std::vector<double>& terms = {});

// A relative error that the rounding of stored results to the type explains, and not much more.
double storage_tolerance(DType type);

::testing::AssertionResult succeeded(const Status& status);
// Fails unless the status is `invalid_argument` and its message contains `words`.
::testing::AssertionResult refused(const Status& status, const std::string& words);

// Layouts that every kernel over a map is tried in. With 11 channels, 5 more make rows that start on 16-byte
// boundaries and end within one: the stored width of a pruned net.
struct Layout {
  std::int64_t extra_ld = 0;  // leading dimension beyond the channels
  Placement placement = Placement::aligned;
};
std::vector<Layout> all_layouts();
std::string describe(DType type, const Layout& layout);
inline constexpr DType kAllTypes[] = {DType::f32, DType::f16, DType::bf16};

}  // namespace secateur::kernels::test
