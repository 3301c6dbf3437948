#include "secateur/kernels/elementwise.h"

#include <initializer_list>

#include "device/checks.h"
#include "device/memory.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

constexpr std::int64_t kManyBlocks = std::int64_t{1} << 24;
constexpr std::int64_t kRowsAThread = 4;

// What is done to one element; `a` and `b` are the inputs there are, `channel` its channel.
struct Add {
  bool relu;
  __device__ __forceinline__ float operator()(float a, float b, std::int64_t /*channel*/) const {
    const float sum = a + b;
    return relu && sum <= 0.0F ? 0.0F : sum;
  }
};
struct Relu {
  __device__ __forceinline__ float operator()(float a, float /*b*/, std::int64_t /*channel*/) const {
    return a <= 0.0F ? 0.0F : a;
  }
};
struct ReluGradient {
  __device__ __forceinline__ float operator()(float dy, float y, std::int64_t /*channel*/) const {
    return y <= 0.0F ? 0.0F : dy;
  }
};
struct Scale {
  float factor;
  __device__ __forceinline__ float operator()(float a, float /*b*/, std::int64_t /*channel*/) const {
    return factor * a;
  }
};
struct ScaleChannels {
  const float* factors;
  __device__ __forceinline__ float operator()(float a, float /*b*/, std::int64_t channel) const {
    return a * factors[channel];
  }
};
struct ShiftChannels {
  const float* offsets;
  __device__ __forceinline__ float operator()(float a, float /*b*/, std::int64_t channel) const {
    return a + offsets[channel];
  }
};
struct Constant {
  float value;
  __device__ __forceinline__ float operator()(float /*a*/, float /*b*/, std::int64_t /*channel*/) const {
    return value;
  }
};

template <typename T, bool kAligned, typename Operation>
__global__ void __launch_bounds__(kTileThreads)
    elementwise_kernel(T* out, const T* a, const T* b, Operation operation, std::int64_t ld,
                       RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const RowPosition at = row_position<kWidth>(tiling);
  const std::int64_t valid = tiling.channels - at.channel;
  if (valid <= 0) return;
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    const std::int64_t offset = row * ld + at.channel;
    float values[kWidth] = {};
    float others[kWidth] = {};
    if (a != nullptr) load_pack<T, kWidth>(a + offset, valid, values);
    if (b != nullptr) load_pack<T, kWidth>(b + offset, valid, others);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      if (i < valid) values[i] = operation(values[i], others[i], at.channel + i);
    }
    store_pack<T, kWidth>(out + offset, valid, values);
  }
}

template <typename Out, typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    cast_kernel(Out* out, const T* x, CastShape shape, RowTiling tiling) {
  // As many elements as the wider of the two types moves in 16 bytes; the narrower one then moves 8.
  constexpr int kWidth = kAligned ? 4 : 1;
  const RowPosition at = row_position<kWidth>(tiling);
  if (at.channel >= tiling.channels) return;
#pragma unroll 4
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    const T* from = x + row * shape.ld + at.channel;
    Out* to = out + row * shape.out_ld + at.channel;
    if (kAligned && at.channel + kWidth <= shape.channels) {
      struct alignas(sizeof(T) * kWidth) From {
        T lane[kWidth];
      };
      struct alignas(sizeof(Out) * kWidth) To {
        Out lane[kWidth];
      };
      const From values = *reinterpret_cast<const From*>(from);
      To rounded;
#pragma unroll
      for (int i = 0; i < kWidth; ++i) rounded.lane[i] = from_float<Out>(to_float(values.lane[i]));
      *reinterpret_cast<To*>(to) = rounded;
      continue;
    }
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      if (at.channel + i >= tiling.channels) break;
      to[i] = from_float<Out>(at.channel + i < shape.channels ? to_float(from[i]) : 0.0F);
    }
  }
}

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    find_nonfinite_kernel(std::int32_t* flag, const T* x, std::int64_t ld, RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const RowPosition at = row_position<kWidth>(tiling);
  const std::int64_t valid = tiling.channels - at.channel;
  if (valid <= 0) return;
  bool found = false;
#pragma unroll 4
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    float values[kWidth];
    load_pack<T, kWidth>(x + row * ld + at.channel, valid, values);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) found = found || !is_finite(values[i]);
  }
  if (found) atomicMax(flag, 1);
}

bool check_shape(Check& check, const ElementwiseShape& shape, std::initializer_list<const void*> maps) {
  check.type(shape.type).size("rows", shape.rows).size("channels", shape.channels);
  if (check.failed()) return false;
  for (const void* map : maps)
    check.map("map", map, size_of(shape.type), shape.rows, shape.channels, shape.ld);
  return !check.failed() && shape.rows > 0 && shape.channels > 0;
}

template <typename Operation>
Status run(const char* name, void* out, const void* a, const void* b, Operation operation,
           const ElementwiseShape& shape, StreamHandle stream) {
  const std::int64_t bytes = size_of(shape.type);
  const bool aligned = rows_aligned(out, shape.ld, bytes) && rows_aligned(a, shape.ld, bytes) &&
                       rows_aligned(b, shape.ld, bytes);
  return with_type(shape.type, [&]<typename T>() -> Status {
    const auto go = [&](auto kernel, int width) {
      const RowTiling tiling = tile_rows(shape.rows, shape.channels, width, kRowsAThread, kManyBlocks);
      return launch(name, kernel, {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream,
                    static_cast<T*>(out), static_cast<const T*>(a), static_cast<const T*>(b), operation,
                    shape.ld, tiling);
    };
    return aligned ? go(&elementwise_kernel<T, true, Operation>, kPackWidth<T, true>)
                   : go(&elementwise_kernel<T, false, Operation>, 1);
  });
}

}  // namespace

Status add(void* out, const void* a, const void* b, bool relu, const ElementwiseShape& shape,
           StreamHandle stream) {
  Check check("add");
  if (!check_shape(check, shape, {out, a, b})) return check.status();
  return run("add", out, a, b, Add{relu}, shape, stream);
}

Status accumulate(void* out, const void* x, const ElementwiseShape& shape, StreamHandle stream) {
  Check check("accumulate");
  if (!check_shape(check, shape, {out, x})) return check.status();
  return run("accumulate", out, out, x, Add{false}, shape, stream);
}

Status relu(void* y, const void* x, const ElementwiseShape& shape, StreamHandle stream) {
  Check check("relu");
  if (!check_shape(check, shape, {y, x})) return check.status();
  return run("relu", y, x, nullptr, Relu{}, shape, stream);
}

Status relu_backward(void* dx, const void* dy, const void* y, const ElementwiseShape& shape,
                     StreamHandle stream) {
  Check check("relu_backward");
  if (!check_shape(check, shape, {dx, dy, y})) return check.status();
  return run("relu_backward", dx, dy, y, ReluGradient{}, shape, stream);
}

Status scale(void* out, const void* x, float factor, const ElementwiseShape& shape, StreamHandle stream) {
  Check check("scale");
  if (!check_shape(check, shape, {out, x})) return check.status();
  return run("scale", out, x, nullptr, Scale{factor}, shape, stream);
}

Status scale_channels(void* out, const void* x, const float* factors, const ElementwiseShape& shape,
                      StreamHandle stream) {
  Check check("scale_channels");
  if (!check_shape(check, shape, {out, x})) return check.status();
  check.pointer("factors", factors);
  if (check.failed()) return check.status();
  return run("scale_channels", out, x, nullptr, ScaleChannels{factors}, shape, stream);
}

Status shift_channels(void* out, const void* x, const float* offsets, const ElementwiseShape& shape,
                      StreamHandle stream) {
  Check check("shift_channels");
  if (!check_shape(check, shape, {out, x})) return check.status();
  check.pointer("offsets", offsets);
  if (check.failed()) return check.status();
  return run("shift_channels", out, x, nullptr, ShiftChannels{offsets}, shape, stream);
}

Status fill(void* out, float value, const ElementwiseShape& shape, StreamHandle stream) {
  Check check("fill");
  if (!check_shape(check, shape, {out})) return check.status();
  return run("fill", out, nullptr, nullptr, Constant{value}, shape, stream);
}

Status cast(void* out, const void* x, const CastShape& shape, StreamHandle stream) {
  Check check("cast");
  check.type(shape.type).type(shape.out_type).size("rows", shape.rows).size("channels", shape.channels);
  check.size("zeroed_channels", shape.zeroed_channels);
  if (check.failed()) return check.status();
  const std::int64_t written = greatest(shape.channels, shape.zeroed_channels);
  const std::int64_t out_bytes = size_of(shape.out_type);
  const std::int64_t bytes = size_of(shape.type);
  check.map("x", x, bytes, shape.rows, shape.channels, shape.ld);
  check.map("out", out, out_bytes, shape.rows, written, shape.out_ld);
  check.that(shape.rows == 0 || written == 0 || out != x, "out must not be x");
  if (check.failed()) return check.status();
  if (shape.rows == 0 || written == 0) return Status::success();
  const bool aligned = rows_aligned(out, shape.out_ld, out_bytes) && rows_aligned(x, shape.ld, bytes);
  return with_type(shape.out_type, [&]<typename Out>() -> Status {
    return with_type(shape.type, [&]<typename T>() -> Status {
      const RowTiling tiling = tile_rows(shape.rows, written, aligned ? 4 : 1, kRowsAThread, kManyBlocks);
      auto kernel = aligned ? &cast_kernel<Out, T, true> : &cast_kernel<Out, T, false>;
      return launch("cast", kernel, {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream,
                    static_cast<Out*>(out), static_cast<const T*>(x), shape, tiling);
    });
  });
}

Status find_nonfinite(std::int32_t* flag, const void* x, const ElementwiseShape& shape, StreamHandle stream) {
  Check check("find_nonfinite");
  check.pointer("flag", flag);
  if (!check_shape(check, shape, {x})) return check.status();
  return with_type(shape.type, [&]<typename T>() -> Status {
    const auto go = [&](auto kernel, int width) {
      const RowTiling tiling = tile_rows(shape.rows, shape.channels, width, 8, kManyBlocks);
      return launch("find_nonfinite", kernel, {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads,
                    0, stream, flag, static_cast<const T*>(x), shape.ld, tiling);
    };
    return rows_aligned(x, shape.ld, sizeof(T)) ? go(&find_nonfinite_kernel<T, true>, kPackWidth<T, true>)
                                                : go(&find_nonfinite_kernel<T, false>, 1);
  });
}

}  // namespace secateur::kernels
