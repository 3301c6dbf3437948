#include <algorithm>
#include <array>

#include "secateur/backend/cpu_twins.h"
#include "secateur/core/error.h"
#include "secateur/core/rng.h"

namespace secateur::cpu {
namespace {

// Normalised values of every pixel value, per channel.
using Table = std::array<std::array<float, 256>, kMostImageChannels>;

Table table_of(const AugmentOptions& options) {
  Table table{};
  for (std::size_t c = 0; c < kMostImageChannels; ++c) {
    for (std::size_t value = 0; value < 256; ++value) {
      table[c][value] =
          static_cast<float>((static_cast<double>(value) / 255 - static_cast<double>(options.mean[c])) *
                             static_cast<double>(options.inverse_deviation[c]));
    }
  }
  return table;
}

struct Extents {
  std::int64_t height, width, out_height, out_width, leading;
};

// `columns` pixels from `source` on, `step` pixels apart; null is black.
template <std::int64_t channels>
void write_pixels(const Table& table, const std::uint8_t* source, std::int64_t step, std::int64_t columns,
                  float* out, std::int64_t leading) {
  for (std::int64_t w = 0; w < columns; ++w, out += leading) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::uint8_t pixel = source == nullptr ? std::uint8_t{0} : source[w * step * channels + c];
      out[c] = table[static_cast<std::size_t>(c)][pixel];
    }
    for (std::int64_t c = channels; c < leading; ++c) out[c] = 0;
  }
}

// `top` and `left` are the crop's corner in the image, negative in the padding.
template <std::int64_t channels>
void write_image(const Table& table, const Extents& e, const std::uint8_t* source, std::int64_t top,
                 std::int64_t left, bool flipped, float* out) {
  // The columns that lie inside the image are [begin, end).
  const std::int64_t shift = flipped ? e.width - left - e.out_width : left;
  const std::int64_t begin = std::clamp<std::int64_t>(-shift, 0, e.out_width);
  const std::int64_t end = std::clamp<std::int64_t>(e.width - shift, begin, e.out_width);
  const std::int64_t first = flipped ? left + e.out_width - 1 - begin : left + begin;
  for (std::int64_t h = 0; h < e.out_height; ++h, out += e.out_width * e.leading) {
    const std::int64_t y = top + h;
    if (y < 0 || y >= e.height || begin == end) {
      write_pixels<channels>(table, nullptr, 0, e.out_width, out, e.leading);
      continue;
    }
    write_pixels<channels>(table, nullptr, 0, begin, out, e.leading);
    write_pixels<channels>(table, source + (y * e.width + first) * channels, flipped ? -1 : 1, end - begin,
                           out + begin * e.leading, e.leading);
    write_pixels<channels>(table, nullptr, 0, e.out_width - end, out + end * e.leading, e.leading);
  }
}

}  // namespace

void augment(const Tensor& out, std::span<const std::uint8_t> source, std::span<const std::int32_t> samples,
             std::uint32_t epoch, const AugmentOptions& options) {
  require(out.shape.rank() == 4 && out.dtype == DType::f32, "a batch is f32 [N, H, W, C], got {} of {}",
          out.shape.to_string(), name_of(out.dtype));
  const std::int64_t channels = out.channels();
  require(channels >= 1 && channels <= static_cast<std::int64_t>(kMostImageChannels),
          "images have 1 to {} channels, got {}", kMostImageChannels, channels);
  require(static_cast<std::int64_t>(samples.size()) == out.shape[0], "{} samples for a batch of {}",
          samples.size(), out.shape[0]);
  const Extents e{options.height, options.width, out.shape[1], out.shape[2], out.leading};
  const std::int64_t rows = e.height + 2 * options.padding - e.out_height + 1;
  const std::int64_t columns = e.width + 2 * options.padding - e.out_width + 1;
  require(e.height >= 1 && e.width >= 1 && options.padding >= 0 && rows >= 1 && columns >= 1,
          "a crop of {}x{} does not fit into {}x{} with a padding of {}", e.out_height, e.out_width, e.height,
          e.width, options.padding);
  const std::int64_t image = e.height * e.width * channels;
  const std::int64_t images = static_cast<std::int64_t>(source.size()) / image;
  for (const std::int32_t sample : samples) {
    require(sample >= 0 && sample < images, "sample {} of a set of {} images", sample, images);
  }
  const Table table = table_of(options);
  constexpr std::array kWriters{write_image<1>, write_image<2>, write_image<3>, write_image<4>};
  const auto write = kWriters[static_cast<std::size_t>(channels - 1)];
#pragma omp parallel for schedule(static) if (out.count() > 16384)
  for (std::int64_t n = 0; n < out.shape[0]; ++n) {
    const std::int32_t sample = samples[static_cast<std::size_t>(n)];
    RandomSequence random(options.seed, RngPurpose::augmentation, epoch, static_cast<std::uint32_t>(sample));
    std::int64_t dy = random.below(static_cast<std::uint32_t>(rows));
    std::int64_t dx = random.below(static_cast<std::uint32_t>(columns));
    const bool flipped = (random.next_u32() >> 31) != 0 && options.random_flip;
    if (!options.random_crop) {
      dy = (rows - 1) / 2;
      dx = (columns - 1) / 2;
    }
    write(table, e, source.data() + sample * image, dy - options.padding, dx - options.padding, flipped,
          out.as<float>() + n * e.out_height * e.out_width * e.leading);
  }
}

}  // namespace secateur::cpu
