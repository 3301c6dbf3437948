#include "secateur/kernels/sgd_momentum.h"

#include "device/checks.h"
#include "device/memory.cuh"
#include "device/segments.cuh"

namespace secateur::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kWidth = 4;  // elements a thread takes at once: 16 bytes of fp32
constexpr int kPacksEach = 4;
constexpr std::int64_t kBlockElements = kThreads * kWidth * kPacksEach;

struct Slab {
  float* weights;
  float* momentum;
  const void* gradients;
  void* copy;
  const float* decay;
};

struct Update {
  SgdStep step;
  float weight_decay;
  float l1;
  __device__ __forceinline__ void operator()(float& weight, float& velocity, float gradient,
                                             float decay) const {
    float decayed = fmaf(weight_decay + decay, weight, step.gradient_scale * gradient);
    if (l1 != 0.0F && weight != 0.0F) decayed += weight > 0.0F ? l1 : -l1;
    velocity = fmaf(step.momentum, velocity, decayed);
    const float direction = step.nesterov != 0 ? fmaf(step.momentum, velocity, decayed) : velocity;
    weight = fmaf(-step.learning_rate, direction, weight);
  }
};

// Four 16-bit elements are 8 bytes; fp32 are 16.
template <typename T>
struct alignas(sizeof(T) * kWidth) Quad {
  T lane[kWidth];
};

template <typename T>
__device__ __forceinline__ bool quad_aligned(const T* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % sizeof(Quad<T>) == 0;
}

// Elements of a segment, four at a time where all four arrays are dense there and aligned for it, else one by
// one.
template <typename G, typename C>
__global__ void __launch_bounds__(kThreads)
    sgd_momentum_kernel(const __grid_constant__ SegmentTable<SgdSegment> table, Slab slab,
                        const SgdStep* step, const std::int32_t* skip) {
  if (skip != nullptr && *skip != 0) return;
  const int index = find_segment(table, block_index());
  const SgdSegment& segment = table.segments[index];
  const Update update{*step, segment.weight_decay, segment.l1};
  float* weights = slab.weights + segment.offset;
  float* momentum = slab.momentum + segment.offset;
  const G* gradients = static_cast<const G*>(slab.gradients) + segment.gradient_offset;
  C* copy = slab.copy != nullptr ? static_cast<C*>(slab.copy) + segment.copy_offset : nullptr;
  const float* decays = slab.decay != nullptr ? slab.decay + segment.offset : nullptr;
  const bool dense = segment.gradient_stride == segment.row_length &&
                     (copy == nullptr || segment.copy_stride == segment.row_length);
  const bool quads = dense && quad_aligned(weights) && quad_aligned(momentum) && quad_aligned(gradients) &&
                     (copy == nullptr || quad_aligned(copy));
  const std::int64_t first = (block_index() - table.first_block[index]) * kBlockElements;
#pragma unroll
  for (int pack = 0; pack < kPacksEach; ++pack) {
    const std::int64_t begin = first + (pack * kThreads + thread_index()) * kWidth;
    if (begin >= segment.count) break;
    if (quads && begin + kWidth <= segment.count) {
      auto& weight_quad = *reinterpret_cast<Quad<float>*>(weights + begin);
      auto& momentum_quad = *reinterpret_cast<Quad<float>*>(momentum + begin);
      Quad<float> weight = weight_quad;
      Quad<float> velocity = momentum_quad;
      const Quad<G> gradient = *reinterpret_cast<const Quad<G>*>(gradients + begin);
      Quad<C> rounded;
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        const float decay = decays != nullptr ? decays[begin + i] : 0.0F;
        update(weight.lane[i], velocity.lane[i], to_float(gradient.lane[i]), decay);
        rounded.lane[i] = from_float<C>(weight.lane[i]);
      }
      weight_quad = weight;
      momentum_quad = velocity;
      if (copy != nullptr) *reinterpret_cast<Quad<C>*>(copy + begin) = rounded;
      continue;
    }
    for (std::int64_t i = begin; i < least<std::int64_t>(begin + kWidth, segment.count); ++i) {
      const std::int64_t row = dense ? 0 : i / segment.row_length;
      const std::int64_t column = i - row * segment.row_length;
      float weight = weights[i];
      float velocity = momentum[i];
      const float decay = decays != nullptr ? decays[i] : 0.0F;
      update(weight, velocity, to_float(gradients[row * segment.gradient_stride + column]), decay);
      weights[i] = weight;
      momentum[i] = velocity;
      if (copy != nullptr) copy[row * segment.copy_stride + column] = from_float<C>(weight);
    }
  }
}

}  // namespace

Status sgd_momentum(const SgdSlab& slab, const SgdSegment* segments, std::int64_t num_segments,
                    const SgdStep* step, const std::int32_t* skip, StreamHandle stream) {
  Check check("sgd_momentum");
  check.type(slab.gradient_type).type(slab.copy_type).size("num_segments", num_segments);
  if (num_segments > 0) check.pointer("segments", segments).pointer("step", step);
  for (std::int64_t i = 0; !check.failed() && i < num_segments; ++i) {
    const SgdSegment& segment = segments[i];
    check.size("offset", segment.offset)
        .size("count", segment.count)
        .positive("row_length", segment.row_length);
    check.size("gradient_offset", segment.gradient_offset).size("copy_offset", segment.copy_offset);
    check.that(segment.gradient_stride >= segment.row_length, "gradient_stride is less than row_length");
    check.that(slab.copy == nullptr || segment.copy_stride >= segment.row_length,
               "copy_stride is less than row_length");
    check.product("segment", segment.count, greatest(segment.gradient_stride, segment.copy_stride));
    if (segment.count > 0) {
      check.pointer("weights", slab.weights)
          .pointer("momentum", slab.momentum)
          .pointer("gradients", slab.gradients);
    }
  }
  check.aligned("weights", slab.weights, 4).aligned("momentum", slab.momentum, 4);
  check.aligned("decay", slab.decay, 4);
  check.aligned("gradients", slab.gradients, size_of(slab.gradient_type));
  check.aligned("copy", slab.copy, size_of(slab.copy_type));
  if (check.failed()) return check.status();
  const auto blocks = [](const SgdSegment& segment) { return ceil_div(segment.count, kBlockElements); };
  const Slab pointers{slab.weights, slab.momentum, slab.gradients, slab.copy, slab.decay};
  return with_type(slab.gradient_type, [&]<typename G>() -> Status {
    return with_type(slab.copy_type, [&]<typename C>() -> Status {
      return launch_segments("sgd_momentum", &sgd_momentum_kernel<G, C>, segments, num_segments, blocks,
                             kThreads, stream, pointers, step, skip);
    });
  });
}

}  // namespace secateur::kernels
