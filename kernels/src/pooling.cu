#include "secateur/kernels/pooling.h"

#include "device/checks.h"
#include "device/memory.cuh"
#include "device/reduce.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

// The shape with what follows from it.
struct Geometry : PoolShape {
  explicit Geometry(const PoolShape& shape)
      : PoolShape(shape), rows(shape.out_height()), columns(shape.out_width()) {}
  std::int64_t rows;  // of the output map
  std::int64_t columns;
};

// A position of a map as image, row and column. Positions are walked by RowTiling: rows of the tiling are
// positions.
struct Pixel {
  std::int64_t image;
  int h;
  int w;
};

__device__ __forceinline__ Pixel pixel_of(std::int64_t position, std::int64_t height, std::int64_t width) {
  const std::int64_t line = position / width;
  return {line / height, static_cast<int>(line % height), static_cast<int>(position - line * width)};
}

// Windows along one axis that cover position p: first .. last inclusive.
__device__ __forceinline__ int first_window(int p, int padding, int kernel, int stride) {
  const int past = p + padding - kernel;
  return past < 0 ? 0 : past / stride + 1;
}
__device__ __forceinline__ int last_window(int p, int padding, int stride, std::int64_t windows) {
  return least((p + padding) / stride, static_cast<int>(windows) - 1);
}

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    max_pool_kernel(T* y, std::uint8_t* choice, const T* x, Geometry shape, RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const RowPosition at = row_position<kWidth>(tiling);
  const std::int64_t valid = tiling.channels - at.channel;
  if (valid <= 0) return;
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    const Pixel pixel = pixel_of(row, shape.rows, shape.columns);
    float best[kWidth];
    int chosen[kWidth];
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      best[i] = -INFINITY;
      chosen[i] = -1;
    }
    for (int r = 0; r < shape.kernel_height; ++r) {
      const int h = pixel.h * shape.stride_height - shape.padding_height + r;
      if (h < 0 || h >= shape.height) continue;
      for (int s = 0; s < shape.kernel_width; ++s) {
        const int w = pixel.w * shape.stride_width - shape.padding_width + s;
        if (w < 0 || w >= shape.width) continue;
        float values[kWidth];
        load_pack<T, kWidth>(x + ((pixel.image * shape.height + h) * shape.width + w) * shape.ld + at.channel,
                             valid, values);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) {
          const bool better = values[i] > best[i] || (is_nan(values[i]) && !is_nan(best[i]));
          if (better || chosen[i] < 0) {
            best[i] = values[i];
            chosen[i] = r * shape.kernel_width + s;
          }
        }
      }
    }
    store_pack<T, kWidth>(y + row * shape.out_ld + at.channel, valid, best);
    if (choice == nullptr) continue;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      if (i < valid) choice[row * shape.channels + at.channel + i] = static_cast<std::uint8_t>(chosen[i]);
    }
  }
}

// kMax: a window passes its gradient to the chosen position; else to all, divided by its divisor.
template <typename T, bool kAligned, bool kMax>
__global__ void __launch_bounds__(kTileThreads)
    pool_backward_kernel(T* dx, const T* dy, const std::uint8_t* choice, bool count_padding, Geometry shape,
                         RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const RowPosition at = row_position<kWidth>(tiling);
  const std::int64_t valid = tiling.channels - at.channel;
  if (valid <= 0) return;
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    const Pixel pixel = pixel_of(row, shape.height, shape.width);
    float sum[kWidth] = {};
    const int last_h = last_window(pixel.h, shape.padding_height, shape.stride_height, shape.rows);
    const int last_w = last_window(pixel.w, shape.padding_width, shape.stride_width, shape.columns);
    for (int h = first_window(pixel.h, shape.padding_height, shape.kernel_height, shape.stride_height);
         h <= last_h; ++h) {
      const int top = h * shape.stride_height - shape.padding_height;
      const int r = pixel.h - top;
      for (int w = first_window(pixel.w, shape.padding_width, shape.kernel_width, shape.stride_width);
           w <= last_w; ++w) {
        const int left = w * shape.stride_width - shape.padding_width;
        const int place = r * shape.kernel_width + pixel.w - left;
        const std::int64_t out = (pixel.image * shape.rows + h) * shape.columns + w;
        float values[kWidth];
        load_pack<T, kWidth>(dy + out * shape.out_ld + at.channel, valid, values);
        if constexpr (kMax) {
          const std::uint8_t* chosen = choice + out * shape.channels + at.channel;
#pragma unroll
          for (int i = 0; i < kWidth; ++i) sum[i] += i < valid && chosen[i] == place ? values[i] : 0.0F;
        } else {
          const int inside =
              (least(top + shape.kernel_height, static_cast<int>(shape.height)) - greatest(top, 0)) *
              (least(left + shape.kernel_width, static_cast<int>(shape.width)) - greatest(left, 0));
          const float share =
              1.0F / static_cast<float>(count_padding ? shape.kernel_height * shape.kernel_width : inside);
#pragma unroll
          for (int i = 0; i < kWidth; ++i) sum[i] += values[i] * share;
        }
      }
    }
    store_pack<T, kWidth>(dx + row * shape.ld + at.channel, valid, sum);
  }
}

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    average_pool_kernel(T* y, const T* x, bool count_padding, Geometry shape, RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const RowPosition at = row_position<kWidth>(tiling);
  const std::int64_t valid = tiling.channels - at.channel;
  if (valid <= 0) return;
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    const Pixel pixel = pixel_of(row, shape.rows, shape.columns);
    float sum[kWidth] = {};
    int inside = 0;
    for (int r = 0; r < shape.kernel_height; ++r) {
      const int h = pixel.h * shape.stride_height - shape.padding_height + r;
      if (h < 0 || h >= shape.height) continue;
      for (int s = 0; s < shape.kernel_width; ++s) {
        const int w = pixel.w * shape.stride_width - shape.padding_width + s;
        if (w < 0 || w >= shape.width) continue;
        float values[kWidth];
        load_pack<T, kWidth>(x + ((pixel.image * shape.height + h) * shape.width + w) * shape.ld + at.channel,
                             valid, values);
        inside += 1;
#pragma unroll
        for (int i = 0; i < kWidth; ++i) sum[i] += values[i];
      }
    }
    const float share =
        1.0F / static_cast<float>(count_padding ? shape.kernel_height * shape.kernel_width : inside);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sum[i] *= share;
    store_pack<T, kWidth>(y + row * shape.out_ld + at.channel, valid, sum);
  }
}

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    global_average_kernel(T* y, const T* x, std::int64_t positions, std::int64_t ld, std::int64_t out_ld,
                          RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const std::int64_t image = block_index() / tiling.column_blocks;
  const std::int64_t column_block = block_index() % tiling.column_blocks;
  const std::int64_t channel = (column_block * tiling.lanes + thread_index() % tiling.lanes) * kWidth;
  const std::int64_t valid = tiling.channels - channel;
  float sum[kWidth] = {};
#pragma unroll 4
  for (std::int64_t t = thread_index() / tiling.lanes; t < positions; t += tiling.rows_at_once) {
    float values[kWidth];
    load_pack<T, kWidth>(x + (image * positions + t) * ld + channel, valid, values);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sum[i] += values[i];
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    sum[i] = column_reduce<kTileThreads>(sum[i], tiling.lanes, Sum{}) / static_cast<float>(positions);
  }
  if (thread_index() < tiling.lanes) store_pack<T, kWidth>(y + image * out_ld + channel, valid, sum);
}

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    global_average_backward_kernel(T* dx, const T* dy, std::int64_t positions, std::int64_t ld,
                                   std::int64_t out_ld, RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const RowPosition at = row_position<kWidth>(tiling);
  const std::int64_t valid = tiling.channels - at.channel;
  if (valid <= 0) return;
  const float share = 1.0F / static_cast<float>(positions);
#pragma unroll 4
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    float values[kWidth];
    load_pack<T, kWidth>(dy + row / positions * out_ld + at.channel, valid, values);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] *= share;
    store_pack<T, kWidth>(dx + row * ld + at.channel, valid, values);
  }
}

constexpr std::int64_t kManyBlocks = std::int64_t{1} << 24;

// Checks a windowed pooling; false where there is nothing to do or something is wrong.
bool check_pool(Check& check, const void* x, const void* y, const PoolShape& shape) {
  constexpr std::int64_t kMaxSide = std::int64_t{1} << 24;
  check.type(shape.type).size("images", shape.images).size("channels", shape.channels);
  check.positive("kernel_height", shape.kernel_height).positive("kernel_width", shape.kernel_width);
  check.positive("stride_height", shape.stride_height).positive("stride_width", shape.stride_width);
  check.size("padding_height", shape.padding_height).size("padding_width", shape.padding_width);
  check.that(2 * shape.padding_height <= shape.kernel_height && 2 * shape.padding_width <= shape.kernel_width,
             "padding is more than half the kernel");
  check.that(shape.height <= kMaxSide && shape.width <= kMaxSide, "a side of the map exceeds 2^24");
  check.that(shape.height + 2 * shape.padding_height >= shape.kernel_height &&
                 shape.width + 2 * shape.padding_width >= shape.kernel_width,
             "the kernel is larger than the padded map");
  if (check.failed()) return false;
  check.product("map", shape.images, shape.height * shape.width);
  const std::int64_t bytes = size_of(shape.type);
  check.map("input map", x, bytes, shape.images * shape.height * shape.width, shape.channels, shape.ld);
  check.map("output map", y, bytes, shape.images * shape.out_height() * shape.out_width(), shape.channels,
            shape.out_ld);
  return !check.failed() && shape.images > 0 && shape.channels > 0;
}

// Calls function.operator()<T, kAligned>(tiling) over `rows` positions.
template <typename Function>
Status with_tiling(DType type, const void* a, std::int64_t a_ld, const void* b, std::int64_t b_ld,
                   std::int64_t rows, std::int64_t channels, std::int64_t max_row_blocks,
                   Function&& function) {
  return with_type(type, [&]<typename T>() -> Status {
    const auto tiling = [&](int width) { return tile_rows(rows, channels, width, 4, max_row_blocks); };
    if (rows_aligned(a, a_ld, sizeof(T)) && rows_aligned(b, b_ld, sizeof(T))) {
      return function.template operator()<T, true>(tiling(kPackWidth<T, true>));
    }
    return function.template operator()<T, false>(tiling(1));
  });
}

Status pool_backward(void* dx, const void* dy, const std::uint8_t* choice, bool max, bool count_padding,
                     const PoolShape& shape, StreamHandle stream) {
  const std::int64_t rows = shape.images * shape.height * shape.width;
  return with_tiling(shape.type, dx, shape.ld, dy, shape.out_ld, rows, shape.channels, kManyBlocks,
                     [&]<typename T, bool kAligned>(const RowTiling& tiling) -> Status {
                       auto kernel = max ? &pool_backward_kernel<T, kAligned, true>
                                         : &pool_backward_kernel<T, kAligned, false>;
                       return launch("pool_backward", kernel,
                                     {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0,
                                     stream, static_cast<T*>(dx), static_cast<const T*>(dy), choice,
                                     count_padding, Geometry(shape), tiling);
                     });
}

bool check_global(Check& check, const void* x, const void* y, DType type, std::int64_t images,
                  std::int64_t positions, std::int64_t channels, std::int64_t ld, std::int64_t out_ld) {
  check.type(type).size("images", images).positive("positions", positions).size("channels", channels);
  check.product("map", images, positions);
  if (check.failed()) return false;
  check.map("map", x, size_of(type), images * positions, channels, ld);
  check.map("averages", y, size_of(type), images, channels, out_ld);
  return !check.failed() && images > 0 && channels > 0;
}

}  // namespace

Status max_pool(void* y, std::uint8_t* choice, const void* x, const PoolShape& shape, StreamHandle stream) {
  Check check("max_pool");
  if (!check_pool(check, x, y, shape)) return check.status();
  check.that(shape.kernel_height <= 255 / shape.kernel_width, "a window has more than 255 positions");
  if (check.failed()) return check.status();
  const std::int64_t rows = shape.images * shape.out_height() * shape.out_width();
  return with_tiling(shape.type, x, shape.ld, y, shape.out_ld, rows, shape.channels, kManyBlocks,
                     [&]<typename T, bool kAligned>(const RowTiling& tiling) -> Status {
                       return launch("max_pool", &max_pool_kernel<T, kAligned>,
                                     {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0,
                                     stream, static_cast<T*>(y), choice, static_cast<const T*>(x),
                                     Geometry(shape), tiling);
                     });
}

Status max_pool_backward(void* dx, const void* dy, const std::uint8_t* choice, const PoolShape& shape,
                         StreamHandle stream) {
  Check check("max_pool_backward");
  if (!check_pool(check, dx, dy, shape)) return check.status();
  check.pointer("choice", choice);
  if (check.failed()) return check.status();
  return pool_backward(dx, dy, choice, true, false, shape, stream);
}

Status average_pool(void* y, const void* x, bool count_padding, const PoolShape& shape, StreamHandle stream) {
  Check check("average_pool");
  if (!check_pool(check, x, y, shape)) return check.status();
  const std::int64_t rows = shape.images * shape.out_height() * shape.out_width();
  return with_tiling(shape.type, x, shape.ld, y, shape.out_ld, rows, shape.channels, kManyBlocks,
                     [&]<typename T, bool kAligned>(const RowTiling& tiling) -> Status {
                       return launch("average_pool", &average_pool_kernel<T, kAligned>,
                                     {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0,
                                     stream, static_cast<T*>(y), static_cast<const T*>(x), count_padding,
                                     Geometry(shape), tiling);
                     });
}

Status average_pool_backward(void* dx, const void* dy, bool count_padding, const PoolShape& shape,
                             StreamHandle stream) {
  Check check("average_pool_backward");
  if (!check_pool(check, dx, dy, shape)) return check.status();
  return pool_backward(dx, dy, nullptr, false, count_padding, shape, stream);
}

Status global_average_pool(void* y, const void* x, DType type, std::int64_t images, std::int64_t positions,
                           std::int64_t channels, std::int64_t ld, std::int64_t out_ld, StreamHandle stream) {
  Check check("global_average_pool");
  if (!check_global(check, x, y, type, images, positions, channels, ld, out_ld)) return check.status();
  return with_tiling(type, x, ld, y, out_ld, positions, channels, 1,
                     [&]<typename T, bool kAligned>(const RowTiling& tiling) -> Status {
                       return launch("global_average_pool", &global_average_kernel<T, kAligned>,
                                     {images * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream,
                                     static_cast<T*>(y), static_cast<const T*>(x), positions, ld, out_ld,
                                     tiling);
                     });
}

Status global_average_pool_backward(void* dx, const void* dy, DType type, std::int64_t images,
                                    std::int64_t positions, std::int64_t channels, std::int64_t ld,
                                    std::int64_t out_ld, StreamHandle stream) {
  Check check("global_average_pool_backward");
  if (!check_global(check, dx, dy, type, images, positions, channels, ld, out_ld)) return check.status();
  return with_tiling(type, dx, ld, dy, out_ld, images * positions, channels, kManyBlocks,
                     [&]<typename T, bool kAligned>(const RowTiling& tiling) -> Status {
                       return launch("global_average_pool", &global_average_backward_kernel<T, kAligned>,
                                     {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0,
                                     stream, static_cast<T*>(dx), static_cast<const T*>(dy), positions, ld,
                                     out_ld, tiling);
                     });
}

}  // namespace secateur::kernels
