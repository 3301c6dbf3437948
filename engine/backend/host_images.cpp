#include "backend/host_images.h"

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

// Where the crop lies in the image (negative: in the padding), and whether it is mirrored.
struct Crop {
  std::int64_t y = 0;
  std::int64_t x = 0;
  bool mirrored = false;
};

Crop draw_crop(const ImageAugmentation& a, std::int32_t sample) {
  Crop crop;
  if (!a.crop && !a.mirror) return crop;
  RandomSequence random(a.seed, RngPurpose::augmentation, a.epoch, static_cast<std::uint32_t>(sample));
  const auto choices = static_cast<std::uint32_t>(2 * a.padding + 1);
  const std::int64_t y = random.below(choices);
  const std::int64_t x = random.below(choices);
  if (a.crop) crop = {y - a.padding, x - a.padding, false};
  crop.mirrored = (random.next_u32() >> 31) != 0 && a.mirror;
  return crop;
}

// The images' extents: of one image, and of a pixel in the tensor.
struct Extents {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::int64_t leading = 0;
};

template <class T>
void write_image(const std::uint8_t* image, const Crop& crop, const Table<T>& table, const Extents& e,
                 T* out) {
  constexpr std::uint8_t kBlack[kMostChannels] = {};
  for (std::int64_t y = 0; y < e.height; ++y) {
    const std::int64_t row = y + crop.y;
    for (std::int64_t x = 0; x < e.width; ++x, out += e.leading) {
      const std::int64_t column = (crop.mirrored ? e.width - 1 - x : x) + crop.x;
      const bool inside = row >= 0 && row < e.height && column >= 0 && column < e.width;
      const std::uint8_t* pixel = inside ? image + (row * e.width + column) * e.channels : kBlack;
      for (std::int64_t c = 0; c < e.channels; ++c)
        out[c] = table[static_cast<std::size_t>(c * 256 + pixel[c])];
      for (std::int64_t c = e.channels; c < e.leading; ++c) out[c] = T{};
    }
  }
}

}  // namespace

void load_images_on_host(const std::uint8_t* pixels, std::int64_t count, std::span<const double> mean,
                         std::span<const double> deviation, const ImageAugmentation& augmentation,
                         const Tensor& images) {
  const std::int64_t channels = images.channels();
  require(images.shape.rank() == 4 && count >= 0 && count <= images.shape[0],
          "{} images do not fit into a tensor {}", count, images.shape.to_string());
  require(static_cast<std::int64_t>(mean.size()) == channels && deviation.size() == mean.size() &&
              channels <= kMostChannels,
          "{} means and {} deviations for images of {} channels (at most {})", mean.size(), deviation.size(),
          channels, kMostChannels);
  const Extents extents{images.shape[1], images.shape[2], channels, images.leading};
  const std::int64_t image = extents.height * extents.width * channels;
  const std::int64_t written = extents.height * extents.width * extents.leading;
  const auto write = [&](auto* out) {
    Table<std::remove_pointer_t<decltype(out)>> table;
    fill_table(table, images.dtype, mean, deviation);
#pragma omp parallel for schedule(static)
    for (std::int64_t n = 0; n < count; ++n) {
      const std::int32_t sample =
          augmentation.samples != nullptr ? augmentation.samples[n] : static_cast<std::int32_t>(n);
      write_image(pixels + sample * image, draw_crop(augmentation, sample), table, extents,
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
