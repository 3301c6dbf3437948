// Memory of the host for measurements: aligned, written once by its maker, filled with random numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace secateur::bench {

class HostArray {
 public:
  // Uniform in [-1, 1), never a constant map: arithmetic on zeros takes other paths and other power. `seed`
  // tells arrays apart.
  HostArray(std::int64_t count, std::uint32_t seed);

  [[nodiscard]] float* data() const { return values_.get(); }
  [[nodiscard]] std::int64_t count() const { return count_; }

 private:
  struct Free {
    void operator()(float* memory) const;
  };
  std::unique_ptr<float[], Free> values_;
  std::int64_t count_;
};

using Floats = std::shared_ptr<HostArray>;
[[nodiscard]] inline Floats floats(std::int64_t count, std::uint32_t seed) {
  return std::make_shared<HostArray>(count, seed);
}

// Sum of magnitudes.
[[nodiscard]] double digest(const float* values, std::int64_t count);
[[nodiscard]] double digest(const double* values, std::int64_t count);

}  // namespace secateur::bench
