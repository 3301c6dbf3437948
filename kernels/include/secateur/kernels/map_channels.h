// Moving channels of maps [rows, channels] by index tables (int32, in device memory): what a pruned residual
// net does at its trunk. Arithmetic is fp32; results are rounded to the type. Indices are trusted to lie
// within the map they name. Each call reads its inputs once and writes its output once; repeats bit for bit.
// No pointer may alias another.
#pragma once

#include <cstdint>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

struct ChannelsShape {
  DType type = DType::f32;
  std::int64_t rows = 0;
  std::int64_t out_channels = 0;  // of out
  std::int64_t out_ld = 0;
  std::int64_t ld = 0;  // of x
};

// out[., j] = x[., table[j]], or 0 where table[j] is negative. Indices may repeat. (pad_channels,
// gather_channels)
[[nodiscard]] Status gather_channels(void* out, const void* x, const std::int32_t* table,
                                     const ChannelsShape& shape, StreamHandle stream);

// out[., j] = sum over i in first[j] .. first[j + 1] - 1 of x[., sources[i]], in that order; 0 where there is
// none. The gradient of a gather, with the table turned round: sources lists the places that read channel j.
// first [out_channels + 1].
[[nodiscard]] Status sum_channels(void* out, const void* x, const std::int32_t* first,
                                  const std::int32_t* sources, const ChannelsShape& shape,
                                  StreamHandle stream);

// out[., table[j]] += x[., j] for j < num_sources; indices must differ. Other channels of out are left alone.
// shape.out_channels is the number of channels of out.
[[nodiscard]] Status scatter_add_channels(void* out, const void* x, const std::int32_t* table,
                                          std::int64_t num_sources, const ChannelsShape& shape,
                                          StreamHandle stream);

}  // namespace secateur::kernels
