#include "backend/host_images.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"

namespace secateur {
namespace {

constexpr std::int64_t kMostChannels = 16;

// T: the type's storage. Value of pixel v in channel c at [c * 256 + v]. On the stack: a warm training step
// takes nothing from the heap.
template <class T>
using Table = std::array<T, kMostChannels * 256>;

template <class T>
void fill_table(Table<T>& table, DType type, std::span<const double> mean,
                std::span<const double> deviation) {
  for (std::size_t c = 0; c < mean.size(); ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      const double value = (static_cast<double>(v) / 255 - mean[c]) / deviation[c];
      encode_element(type, value, reinterpret_cast<std::byte*>(&table[c * 256 + v]));
    }
  }
}

struct Extents {
  std::int64_t height, width, out_height, out_width, channels, leading;
};

// The crop's corner in the image, negative in the padding, and whether it is mirrored.
struct Crop {
  std::int64_t top = 0;
  std::int64_t left = 0;
  bool mirrored = false;
};

Crop draw_crop(const ImageAugmentation& a, const Extents& e, std::int32_t sample) {
  const std::int64_t rows = e.height + 2 * a.padding - e.out_height + 1;
  const std::int64_t columns = e.width + 2 * a.padding - e.out_width + 1;
  Crop crop{(rows - 1) / 2 - a.padding, (columns - 1) / 2 - a.padding, false};
  if (!a.crop && !a.mirror) return crop;
  const std::uint32_t epoch = a.epoch != nullptr ? *a.epoch : 0;
  RandomSequence random(a.seed, RngPurpose::augmentation, epoch, static_cast<std::uint32_t>(sample));
  const std::int64_t top = random.below(static_cast<std::uint32_t>(rows));
  const std::int64_t left = random.below(static_cast<std::uint32_t>(columns));
  if (a.crop) crop = {top - a.padding, left - a.padding, false};
  crop.mirrored = (random.next_u32() >> 31) != 0 && a.mirror;
  return crop;
}

// `columns` pixels from `source` on, `step` pixels apart; null is black. `fixed`: channels known to the
// compiler, or 0.
template <std::int64_t fixed, class T>
void write_pixels(const Table<T>& table, const std::uint8_t* source, std::int64_t step, std::int64_t columns,
                  const Extents& e, T* out) {
  const std::int64_t channels = fixed > 0 ? fixed : e.channels;
  for (std::int64_t w = 0; w < columns; ++w, out += e.leading) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::uint8_t pixel = source == nullptr ? std::uint8_t{0} : source[w * step * channels + c];
      out[c] = table[static_cast<std::size_t>(c * 256 + pixel)];
    }
    for (std::int64_t c = channels; c < e.leading; ++c) out[c] = T{};
  }
}

template <std::int64_t fixed, class T>
void write_image(const Table<T>& table, const Extents& e, const std::uint8_t* source, const Crop& crop,
                 T* out) {
  // The columns that lie inside the image are [begin, end).
  const std::int64_t shift = crop.mirrored ? e.width - crop.left - e.out_width : crop.left;
  const std::int64_t begin = std::clamp<std::int64_t>(-shift, 0, e.out_width);
  const std::int64_t end = std::clamp<std::int64_t>(e.width - shift, begin, e.out_width);
  const std::int64_t first = crop.mirrored ? crop.left + e.out_width - 1 - begin : crop.left + begin;
  for (std::int64_t h = 0; h < e.out_height; ++h, out += e.out_width * e.leading) {
    const std::int64_t y = crop.top + h;
    if (y < 0 || y >= e.height || begin == end) {
      write_pixels<fixed>(table, nullptr, 0, e.out_width, e, out);
      continue;
    }
    write_pixels<fixed>(table, nullptr, 0, begin, e, out);
    write_pixels<fixed>(table, source + (y * e.width + first) * e.channels, crop.mirrored ? -1 : 1,
                        end - begin, e, out + begin * e.leading);
    write_pixels<fixed>(table, nullptr, 0, e.out_width - end, e, out + end * e.leading);
  }
}

template <class T>
auto writer_for(std::int64_t channels) {
  constexpr std::array kWriters{write_image<0, T>, write_image<1, T>, write_image<2, T>, write_image<3, T>,
                                write_image<4, T>};
  return kWriters[channels < std::ssize(kWriters) ? static_cast<std::size_t>(channels) : 0];
}

}  // namespace

void load_images_on_host(const HostImages& source, std::int64_t count, std::span<const double> mean,
                         std::span<const double> deviation, const ImageAugmentation& augmentation,
                         const Tensor& images) {
  const std::int64_t channels = images.channels();
  require(images.shape.rank() == 4 && count >= 0 && count <= images.shape[0],
          "{} images do not fit into a tensor {}", count, images.shape.to_string());
  require(static_cast<std::int64_t>(mean.size()) == channels && deviation.size() == mean.size() &&
              channels <= kMostChannels,
          "{} means and {} deviations for images of {} channels (at most {})", mean.size(), deviation.size(),
          channels, kMostChannels);
  const Extents extents{source.height,   source.width, images.shape[1],
                        images.shape[2], channels,     images.leading};
  const std::int64_t image = source.height * source.width * channels;
  const std::int64_t written = extents.out_height * extents.out_width * extents.leading;
  const std::int64_t begin = augmentation.first != nullptr ? *augmentation.first : 0;
  if (augmentation.labels != nullptr) {
    std::copy_n(augmentation.labels + begin, count, augmentation.loaded_labels);
  }
  const auto write = [&](auto* out) {
    using T = std::remove_pointer_t<decltype(out)>;
    Table<T> table;
    fill_table(table, images.dtype, mean, deviation);
    const auto write_one = writer_for<T>(channels);
#pragma omp parallel for schedule(static) if (count * written > 16384)
    for (std::int64_t n = 0; n < count; ++n) {
      const std::int64_t place = begin + n;
      const std::int32_t sample =
          augmentation.samples != nullptr ? augmentation.samples[place] : static_cast<std::int32_t>(place);
      write_one(table, extents, source.pixels + sample * image, draw_crop(augmentation, extents, sample),
                out + n * written);
    }
  };
  switch (images.dtype) {
    case DType::f32:
      return write(static_cast<float*>(images.data));
    case DType::f64:
      return write(static_cast<double*>(images.data));
    case DType::f16:
    case DType::bf16:
      return write(static_cast<std::uint16_t*>(images.data));
    default:
      fail("images are of f32, f64, f16 or bf16, not of {}", name_of(images.dtype));
  }
}

}  // namespace secateur
