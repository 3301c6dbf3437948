// Pooling of NHWC maps and its gradients. Each call reads its inputs once from memory and writes its output
// once; backward passes gather (every input position adds the windows that cover it), so that they repeat bit
// for bit.
//
//   max      y = max over the window of x; padding counts as -infinity. The position of the first maximum,
//            in row-major order of the window, goes to `choice`, from where the backward pass takes it.
//            NaN wins over any number.
//   average  y = sum over the window / divisor, the divisor being the window's positions inside the map,
//            or its whole size where count_padding is set; padding counts as 0.
//   global   y[n, c] = mean over the positions of x[n, ., c].
//
// A map is [images, height, width, channels] with a leading dimension; the output has out_height x out_width
// positions, out = (side + 2 padding - kernel) / stride + 1. Padding is at most half the kernel, so that no
// window is empty. Gradients are overwritten. images = 0 or channels = 0 does nothing.
#pragma once

#include <cstdint>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

struct PoolShape {
  DType type = DType::f32;
  std::int64_t images = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::int64_t ld = 0;      // of x and dx
  std::int64_t out_ld = 0;  // of y and dy
  int kernel_height = 2;
  int kernel_width = 2;
  int stride_height = 2;
  int stride_width = 2;
  int padding_height = 0;
  int padding_width = 0;

  [[nodiscard]] std::int64_t out_height() const {
    return (height + 2 * padding_height - kernel_height) / stride_height + 1;
  }
  [[nodiscard]] std::int64_t out_width() const {
    return (width + 2 * padding_width - kernel_width) / stride_width + 1;
  }
};

// choice [images, out_height, out_width, channels] uint8, dense, may be null (inference); windows of 255
// positions at most.
[[nodiscard]] Status max_pool(void* y, std::uint8_t* choice, const void* x, const PoolShape& shape,
                              StreamHandle stream);
[[nodiscard]] Status max_pool_backward(void* dx, const void* dy, const std::uint8_t* choice,
                                       const PoolShape& shape, StreamHandle stream);
[[nodiscard]] Status average_pool(void* y, const void* x, bool count_padding, const PoolShape& shape,
                                  StreamHandle stream);
[[nodiscard]] Status average_pool_backward(void* dx, const void* dy, bool count_padding,
                                           const PoolShape& shape, StreamHandle stream);
// x [images, positions, channels] with ld, y [images, channels] with out_ld.
[[nodiscard]] Status global_average_pool(void* y, const void* x, DType type, std::int64_t images,
                                         std::int64_t positions, std::int64_t channels, std::int64_t ld,
                                         std::int64_t out_ld, StreamHandle stream);
[[nodiscard]] Status global_average_pool_backward(void* dx, const void* dy, DType type, std::int64_t images,
                                                  std::int64_t positions, std::int64_t channels,
                                                  std::int64_t ld, std::int64_t out_ld, StreamHandle stream);

}  // namespace secateur::kernels
