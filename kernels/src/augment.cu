#include "secateur/kernels/augment.h"

#include "device/checks.h"
#include "device/memory.cuh"
#include "device/philox.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kPixelsPerBlock = 1024;
constexpr std::uint32_t kAugmentation =
    3;  // the purpose that separates these numbers from others of one seed

// One block a stretch of one image's pixels, one thread a pixel: neighbours read neighbouring bytes and write
// neighbouring pixels. The offsets are the same for the whole image and cheap enough to be found by every
// thread.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    augment_kernel(T* out, const std::uint8_t* source, AugmentBatch batch,
                   const __grid_constant__ AugmentOptions options, std::int64_t blocks_an_image) {
  const std::int64_t image = block_index() / blocks_an_image;
  const std::int64_t place = image + (batch.first != nullptr ? *batch.first : 0);
  const std::int64_t sample = batch.samples != nullptr ? batch.samples[place] : place;
  if (batch.labels != nullptr && block_index() % blocks_an_image == 0 && thread_index() == 0) {
    batch.out_labels[image] = batch.labels[place];
  }
  const std::int64_t free_rows = options.height + 2 * options.padding - options.out_height;
  const std::int64_t free_columns = options.width + 2 * options.padding - options.out_width;
  std::int64_t dy = free_rows / 2;
  std::int64_t dx = free_columns / 2;
  bool flipped = false;
  if (options.random_crop || options.random_flip) {
    RandomSequence random(options.seed, kAugmentation, batch.epoch != nullptr ? *batch.epoch : 0,
                          static_cast<std::uint32_t>(sample));
    const std::uint32_t drawn_dy = random.below(static_cast<std::uint32_t>(free_rows + 1));
    const std::uint32_t drawn_dx = random.below(static_cast<std::uint32_t>(free_columns + 1));
    const std::uint32_t drawn_flip = random.below(2);
    if (options.random_crop) {
      dy = drawn_dy;
      dx = drawn_dx;
    }
    flipped = options.random_flip && drawn_flip == 1;
  }
  const std::int64_t pixels = options.out_height * options.out_width;
  const std::int64_t first = block_index() % blocks_an_image * kPixelsPerBlock;
  const std::uint8_t* picture = source + sample * options.height * options.width * options.channels;
  for (std::int64_t pixel = first + thread_index(); pixel < least(first + kPixelsPerBlock, pixels);
       pixel += kThreads) {
    const auto h = static_cast<std::int64_t>(static_cast<std::uint32_t>(pixel) /
                                             static_cast<std::uint32_t>(options.out_width));
    const std::int64_t w = pixel - h * options.out_width;
    const std::int64_t y = h + dy - options.padding;
    const std::int64_t x = (flipped ? options.out_width - 1 - w : w) + dx - options.padding;
    const bool inside = y >= 0 && y < options.height && x >= 0 && x < options.width;
    const std::uint8_t* from = picture + (y * options.width + x) * options.channels;
    T* to = out + (image * pixels + pixel) * options.ld;
#pragma unroll
    for (int c = 0; c < kMaxImageChannels; ++c) {
      if (c >= options.channels) break;
      const float value = inside ? static_cast<float>(from[c]) : 0.0F;
      to[c] = from_float<T>((value * (1.0F / 255.0F) - options.mean[c]) * options.inverse_deviation[c]);
    }
    for (std::int64_t c = options.channels; c < options.ld; ++c) to[c] = from_float<T>(0.0F);
  }
}

}  // namespace

Status augment(void* out, const std::uint8_t* source, const AugmentBatch& batch, std::int64_t count,
               const AugmentOptions& options, StreamHandle stream) {
  constexpr std::int64_t kMaxSide = 1 << 15;
  Check check("augment");
  check.type(options.type).size("count", count).size("padding", options.padding);
  check.positive("height", options.height).positive("width", options.width);
  check.positive("out_height", options.out_height).positive("out_width", options.out_width);
  check.that(options.channels >= 1 && options.channels <= kMaxImageChannels,
             "channels must be 1 to 4, is " + std::to_string(options.channels));
  check.that(greatest(options.height, options.width) <= kMaxSide && options.padding <= kMaxSide,
             "image sides and padding must not exceed 32768");
  check.that(options.out_height <= options.height + 2 * options.padding &&
                 options.out_width <= options.width + 2 * options.padding,
             "the crop is larger than the padded image");
  if (check.failed()) return check.status();
  check.product("out", count, options.out_height * options.out_width);
  check.map("out", out, size_of(options.type), count * options.out_height * options.out_width,
            options.channels, options.ld);
  if (count > 0) check.pointer("source", source);
  if (count > 0 && batch.labels != nullptr) check.pointer("out_labels", batch.out_labels);
  if (check.failed()) return check.status();
  const std::int64_t blocks_an_image = ceil_div(options.out_height * options.out_width, kPixelsPerBlock);
  return with_type(options.type, [&]<typename T>() -> Status {
    return launch("augment", &augment_kernel<T>, {count * blocks_an_image, 1, 1}, kThreads, 0, stream,
                  static_cast<T*>(out), source, batch, options, blocks_an_image);
  });
}

}  // namespace secateur::kernels
