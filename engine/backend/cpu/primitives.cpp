#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>

#include "backend/cpu/cpu_kernels.h"
#include "backend/cpu/cpu_primitives.h"
#include "backend/cpu/rows.h"
#include "backend/host_images.h"

namespace secateur::cpu {
namespace {

// `penalised`: the update has an L1 term or a decay of its own for each element, which most have not.
template <bool nesterov, bool penalised, class T>
void update_range(T* weights, const T* gradients, T* momentum, const T* decays, std::int64_t count,
                  const UpdateSegment& segment, const SgdSettings& settings) {
  const T rate = static_cast<T>(settings.learning_rate);
  const T keep = static_cast<T>(settings.momentum);
  const T decay = static_cast<T>(segment.weight_decay);
  const T l1 = static_cast<T>(segment.l1);
  const T scale = static_cast<T>(settings.gradient_scale);
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    T g = scale * gradients[i] + decay * weights[i];
    if constexpr (penalised) {
      const T sign = static_cast<T>(weights[i] > 0) - static_cast<T>(weights[i] < 0);
      g += (decays != nullptr ? decays[i] : T{0}) * weights[i] + l1 * sign;
    }
    const T v = keep * momentum[i] + g;
    momentum[i] = v;
    if constexpr (nesterov) {
      weights[i] -= rate * (g + keep * v);
    } else {
      weights[i] -= rate * v;
    }
  }
}

// All segments are one range of elements, of which each thread takes an equal part: one parallel region,
// however many small segments there are.
template <bool nesterov, class T>
void update_all(T* weights, const T* gradients, T* momentum, std::span<const UpdateSegment> segments,
                const SgdSettings& settings) {
  std::int64_t total = 0;
  for (const UpdateSegment& segment : segments) total += segment.count;
#pragma omp parallel if (total > 16384)
  {
    const std::int64_t threads = omp_get_num_threads();
    const std::int64_t begin = total * omp_get_thread_num() / threads;
    const std::int64_t end = total * (omp_get_thread_num() + 1) / threads;
    std::int64_t base = 0;
    for (const UpdateSegment& segment : segments) {
      const std::int64_t first = std::clamp<std::int64_t>(begin - base, 0, segment.count);
      const std::int64_t last = std::clamp<std::int64_t>(end - base, 0, segment.count);
      const std::int64_t offset = segment.offset + first;
      const auto* decays = static_cast<const T*>(settings.decay);
      const bool penalised = decays != nullptr || segment.l1 != 0;
      const auto update = penalised ? update_range<nesterov, true, T> : update_range<nesterov, false, T>;
      update(weights + offset, gradients + offset, momentum + offset,
             decays != nullptr ? decays + offset : nullptr, last - first, segment, settings);
      base += segment.count;
    }
  }
}

template <class T>
double norm_of(FilterNorm norm, const T* row, std::int64_t length) {
  double result = 0;
  switch (norm) {
    case FilterNorm::l1:
#pragma omp simd reduction(+ : result)
      for (std::int64_t i = 0; i < length; ++i) result += std::abs(static_cast<double>(row[i]));
      return result;
    case FilterNorm::l2:
#pragma omp simd reduction(+ : result)
      for (std::int64_t i = 0; i < length; ++i)
        result += static_cast<double>(row[i]) * static_cast<double>(row[i]);
      return std::sqrt(result);
    case FilterNorm::max:
      // Not less-or-equal rather than greater, so that not a number is kept.
      for (std::int64_t i = 0; i < length; ++i) {
        const double value = std::abs(static_cast<double>(row[i]));
        if (!(value <= result)) result = value;
      }
      return result;
  }
  return result;
}

// Elements are only moved, so that their width is all that matters.
template <class Element>
void gather_segment(const GatherSegment& segment) {
  const auto* in = static_cast<const Element*>(segment.source);
  auto* out = static_cast<Element*>(segment.destination);
  const auto rows = static_cast<std::int64_t>(segment.rows.size());
  const std::int64_t count = segment.out_columns;
#pragma omp parallel for schedule(static) if (rows * segment.middle * count > 16384)
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto row = static_cast<std::size_t>(r);
    const std::int64_t group = segment.row_group.empty() ? 0 : segment.row_group[row];
    const std::int64_t* columns = segment.columns.data() + group * count;
    for (std::int64_t m = 0; m < segment.middle; ++m) {
      const Element* from = in + (segment.rows[row] * segment.middle + m) * segment.in_columns;
      Element* to = out + (r * segment.middle + m) * count;
      for (std::int64_t j = 0; j < count; ++j) to[j] = from[columns[j]];
    }
  }
}

// All bits of the exponent are set in infinities and NaNs, and in nothing else.
template <class T, class Bits>
bool finite(const T* values, std::int64_t count, Bits exponent) {
  Bits found = 0;
#pragma omp parallel for simd schedule(static) reduction(| : found) if (count > 65536)
  for (std::int64_t i = 0; i < count; ++i) {
    found |= (std::bit_cast<Bits>(values[i]) & exponent) == exponent ? Bits{1} : Bits{0};
  }
  return found == 0;
}

}  // namespace

void CpuPrimitives::sgd_update(Stream& /*stream*/, DType type, void* weights, const void* gradients,
                               void* momentum, std::span<const UpdateSegment> segments,
                               const SgdSettings& settings) {
  with_real(type, "the weight update", [&](auto zero) {
    using T = decltype(zero);
    const auto update = settings.nesterov ? update_all<true, T> : update_all<false, T>;
    update(static_cast<T*>(weights), static_cast<const T*>(gradients), static_cast<T*>(momentum), segments,
           settings);
  });
}

void CpuPrimitives::average_update(Stream& /*stream*/, DType type, void* averages, const void* values,
                                   std::int64_t count, double keep) {
  with_real(type, "the average of weights", [&](auto zero) {
    using T = decltype(zero);
    auto* a = static_cast<T*>(averages);
    const auto* v = static_cast<const T*>(values);
    const T step = static_cast<T>(1 - keep);
#pragma omp parallel for simd schedule(static) if (count > 16384)
    for (std::int64_t i = 0; i < count; ++i) a[i] += step * (v[i] - a[i]);
  });
}

void CpuPrimitives::filter_norms(Stream& /*stream*/, FilterNorm norm, std::span<const NormRequest> requests) {
  for (const NormRequest& request : requests) {
    const Tensor& filters = request.filters;
    require(filters.dense() && filters.shape.rank() >= 1,
            "filters are dense, got {} with leading dimension {}", filters.shape.to_string(),
            filters.leading);
    const std::int64_t rows = filters.shape[0];
    const std::int64_t length = rows == 0 ? 0 : filters.count() / rows;
    with_real(filters.dtype, "the norm of filters", [&](auto zero) {
      const auto* data = filters.as<decltype(zero)>();
#pragma omp parallel for schedule(static) if (rows * length > 16384)
      for (std::int64_t row = 0; row < rows; ++row)
        request.norms[row] = norm_of(norm, data + row * length, length);
    });
  }
}

void CpuPrimitives::gather(Stream& /*stream*/, DType type, std::span<const GatherSegment> segments) {
  for (const GatherSegment& segment : segments) {
    switch (size_of(type)) {
      case 1:
        gather_segment<std::uint8_t>(segment);
        break;
      case 2:
        gather_segment<std::uint16_t>(segment);
        break;
      case 4:
        gather_segment<std::uint32_t>(segment);
        break;
      default:
        gather_segment<std::uint64_t>(segment);
        break;
    }
  }
}

void CpuPrimitives::add(Stream& /*stream*/, const Tensor& a, const Tensor& b, const Tensor& out) {
  require(a.shape == out.shape && b.shape == out.shape,
          "tensors that are added have one shape, got {} + {} -> {}", a.shape.to_string(),
          b.shape.to_string(), out.shape.to_string());
  with_stored(out.dtype, "add", [&](auto zero) { add_tensors<decltype(zero)>(a, b, out); });
}

void CpuPrimitives::fill(Stream& /*stream*/, const Tensor& out, double value) {
  with_stored(out.dtype, "fill", [&](auto zero) {
    using T = decltype(zero);
    using Value = std::conditional_t<std::is_same_v<T, Bf16>, float, T>;
    std::fill_n(out.as<T>(), out.rows() * out.leading, T{static_cast<Value>(value)});
  });
}

void CpuPrimitives::load_images(Stream& /*stream*/, const std::uint8_t* pixels, std::int64_t count,
                                std::span<const double> mean, std::span<const double> deviation,
                                const ImageAugmentation& augmentation, const Tensor& images) {
  load_images_on_host({pixels, images.shape[1], images.shape[2]}, count, mean, deviation, augmentation,
                      images);
}

bool CpuPrimitives::all_finite(Stream& /*stream*/, DType type, const void* values, std::int64_t count) {
  if (type == DType::f32) return finite(static_cast<const float*>(values), count, std::uint32_t{0x7F800000});
  require(type == DType::f64, "all_finite takes f32 or f64 on the CPU, got {}", name_of(type));
  return finite(static_cast<const double*>(values), count, std::uint64_t{0x7FF0000000000000});
}

void register_cpu_primitives() {
  static CpuPrimitives primitives;  // stateless
  register_primitives(DeviceKind::cpu, primitives);
}

}  // namespace secateur::cpu
