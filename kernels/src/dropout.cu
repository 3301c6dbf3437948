#include "secateur/kernels/dropout.h"

#include <cmath>

#include "device/checks.h"
#include "device/memory.cuh"
#include "device/philox.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

constexpr std::int64_t kManyBlocks = std::int64_t{1} << 24;
constexpr std::int64_t kRowsAThread = 4;
constexpr std::uint32_t kDropout = 4;  // the purpose that separates these numbers from others of one seed

struct Mask {
  std::uint64_t threshold;  // of a 32-bit word
  float factor;
  std::uint32_t key0;
  std::uint32_t key1;
  std::uint32_t layer;
  std::int64_t original_channels;
  std::int64_t first_row;
};

template <typename T>
__global__ void __launch_bounds__(kTileThreads)
    dropout_kernel(T* out, const T* x, const std::int32_t* origin, const std::uint32_t* step, Mask mask,
                   std::int64_t channels, std::int64_t ld, RowTiling tiling) {
  const RowPosition at = row_position<1>(tiling);
  if (at.channel >= tiling.channels) return;
  const bool padding = at.channel >= channels;
  const std::int64_t place = origin != nullptr && !padding ? origin[at.channel] : at.channel;
  const std::uint32_t now = *step;
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    const std::int64_t offset = row * ld + at.channel;
    float value = 0.0F;
    if (!padding) {
      const auto unit = static_cast<std::uint64_t>((mask.first_row + row) * mask.original_channels + place);
      const PhiloxBlock block = philox4x32(
          {{static_cast<std::uint32_t>(unit >> 2), mask.layer, now, kDropout}}, mask.key0, mask.key1);
      const std::uint32_t low = (unit & 1) == 0 ? block.word[0] : block.word[1];
      const std::uint32_t high = (unit & 1) == 0 ? block.word[2] : block.word[3];
      const std::uint32_t word = (unit & 2) == 0 ? low : high;
      if (word >= mask.threshold) value = to_float(x[offset]) * mask.factor;
    }
    out[offset] = from_float<T>(value);
  }
}

}  // namespace

Status dropout(void* out, const void* x, const std::int32_t* origin, const std::uint32_t* step,
               const DropoutOptions& options, const ElementwiseShape& shape, StreamHandle stream) {
  Check check("dropout");
  check.type(shape.type).size("rows", shape.rows).size("channels", shape.channels);
  check.that(options.rate >= 0.0 && options.rate < 1.0,
             "rate must lie in [0, 1), is " + std::to_string(options.rate));
  if (check.failed()) return check.status();
  check.size("zeroed_channels", options.zeroed_channels);
  const std::int64_t written = greatest(shape.channels, options.zeroed_channels);
  check.map("x", x, size_of(shape.type), shape.rows, shape.channels, shape.ld);
  check.map("out", out, size_of(shape.type), shape.rows, written, shape.ld);
  check.positive("original_channels", options.original_channels).size("first_row", options.first_row);
  check.product("units", options.first_row + shape.rows, options.original_channels).pointer("step", step);
  if (check.failed()) return check.status();
  if (shape.rows == 0 || shape.channels == 0) return Status::success();
  const Mask mask{static_cast<std::uint64_t>(std::ceil(options.rate * 4294967296.0)),
                  static_cast<float>(1.0 / (1.0 - options.rate)),
                  static_cast<std::uint32_t>(options.seed),
                  static_cast<std::uint32_t>(options.seed >> 32),
                  options.layer,
                  options.original_channels,
                  options.first_row};
  return with_type(shape.type, [&]<typename T>() -> Status {
    const RowTiling tiling = tile_rows(shape.rows, written, 1, kRowsAThread, kManyBlocks);
    return launch("dropout", &dropout_kernel<T>, {tiling.row_blocks * tiling.column_blocks, 1, 1},
                  kTileThreads, 0, stream, static_cast<T*>(out), static_cast<const T*>(x), origin, step, mask,
                  shape.channels, shape.ld, tiling);
  });
}

}  // namespace secateur::kernels
