// Elementwise work on maps [rows, channels] with one leading dimension; a plain array is one row. Arithmetic
// is fp32, results are rounded to the type. Each call reads every input once and writes the output once, and
// the output may be any of the inputs. NaN passes through, a ReLU included.
#pragma once

#include <cstdint>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

struct ElementwiseShape {
  DType type = DType::f32;
  std::int64_t rows = 0;
  std::int64_t channels = 0;
  std::int64_t ld = 0;
};

// out = a + b, then max(., 0) where relu is set.
[[nodiscard]] Status add(void* out, const void* a, const void* b, bool relu, const ElementwiseShape& shape,
                         StreamHandle stream);
// out += x.
[[nodiscard]] Status accumulate(void* out, const void* x, const ElementwiseShape& shape, StreamHandle stream);
// y = max(x, 0).
[[nodiscard]] Status relu(void* y, const void* x, const ElementwiseShape& shape, StreamHandle stream);
// dx = dy where y > 0, else 0; y is the output (or the input) of the ReLU.
[[nodiscard]] Status relu_backward(void* dx, const void* dy, const void* y, const ElementwiseShape& shape,
                                   StreamHandle stream);
// out = factor * x.
[[nodiscard]] Status scale(void* out, const void* x, float factor, const ElementwiseShape& shape,
                           StreamHandle stream);
// out[., c] = x[., c] * factors[c], fp32 [channels]: a mask or a gate.
[[nodiscard]] Status scale_channels(void* out, const void* x, const float* factors,
                                    const ElementwiseShape& shape, StreamHandle stream);
// out[., c] = x[., c] + offsets[c], fp32 [channels]: the bias of a convolution.
[[nodiscard]] Status shift_channels(void* out, const void* x, const float* offsets,
                                    const ElementwiseShape& shape, StreamHandle stream);
[[nodiscard]] Status fill(void* out, float value, const ElementwiseShape& shape, StreamHandle stream);

// out = x in another type and leading dimension, rounded to nearest even. Lanes channels .. zeroed_channels-1
// of out are written as zeros (0: none). out must not be x.
struct CastShape {
  DType out_type = DType::f32;
  DType type = DType::f32;
  std::int64_t rows = 0;
  std::int64_t channels = 0;
  std::int64_t out_ld = 0;
  std::int64_t ld = 0;
  std::int64_t zeroed_channels = 0;
};
[[nodiscard]] Status cast(void* out, const void* x, const CastShape& shape, StreamHandle stream);

// Sets *flag to 1 where any element is NaN or infinite, and leaves it alone otherwise.
[[nodiscard]] Status find_nonfinite(std::int32_t* flag, const void* x, const ElementwiseShape& shape,
                                    StreamHandle stream);

}  // namespace secateur::kernels
