// Primitives of the CPU back end, for float32 slabs, maps of float32 and bfloat16 and, where it costs
// nothing, float64. Other element types throw Error. Results do not depend on the number of threads.
#pragma once

#include "backend/cpu/bf16.h"
#include "secateur/backend/primitives.h"

namespace secateur::cpu {

class CpuPrimitives final : public Primitives {
 public:
  void sgd_update(Stream& stream, DType type, void* weights, const void* gradients, void* momentum,
                  std::span<const UpdateSegment> segments, const SgdSettings& settings) override;
  void average_update(Stream& stream, DType type, void* averages, const void* values, std::int64_t count,
                      double keep) override;
  void filter_norms(Stream& stream, FilterNorm norm, std::span<const NormRequest> requests) override;
  // A map is constant when its largest value equals its smallest, whatever that value is: rounding in the
  // mean of, say, 0.1 everywhere would leave a deviation that is not zero. Not a number makes the channel's
  // sum not a number.
  void accumulate_redundancy(Stream& stream, CorrelationKind kind, const Tensor& maps, std::int64_t images,
                             const RedundancySums& sums) override;
  void gather(Stream& stream, DType type, std::span<const GatherSegment> segments) override;
  void add(Stream& stream, const Tensor& a, const Tensor& b, const Tensor& out) override;
  void fill(Stream& stream, const Tensor& out, double value) override;
  void load_images(Stream& stream, const std::uint8_t* pixels, std::int64_t count,
                   std::span<const double> mean, std::span<const double> deviation,
                   const ImageAugmentation& augmentation, const Tensor& images) override;
  [[nodiscard]] bool all_finite(Stream& stream, DType type, const void* values, std::int64_t count) override;
};

// Calls visit(T{}) with float or double; throws Error for another type.
template <class Visit>
auto with_real(DType type, std::string_view what, Visit&& visit) {
  if (type == DType::f32) return visit(float{});
  require(type == DType::f64, "{} takes f32 or f64 on the CPU, got {}", what, name_of(type));
  return visit(double{});
}

// Calls visit(T{}) with float, double or Bf16, which maps may be stored in; throws Error for another type.
template <class Visit>
auto with_stored(DType type, std::string_view what, Visit&& visit) {
  if (type == DType::bf16) return visit(Bf16{});
  require(type == DType::f32 || type == DType::f64, "{} takes f32, f64 or bf16 on the CPU, got {}", what,
          name_of(type));
  return with_real(type, what, std::forward<Visit>(visit));
}

}  // namespace secateur::cpu
