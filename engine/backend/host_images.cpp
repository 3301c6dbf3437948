#include "backend/host_images.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"

namespace secateur {
namespace {

// T: the type's storage. Value of pixel v in channel c at [c * 256 + v].
template <class T>
std::vector<T> make_table(DType type, std::span<const double> mean, std::span<const double> deviation) {
  std::vector<T> table(mean.size() * 256);
  for (std::size_t c = 0; c < mean.size(); ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      const double value = (static_cast<double>(v) / 255 - mean[c]) / deviation[c];
      encode_element(type, value, reinterpret_cast<std::byte*>(&table[c * 256 + v]));
    }
  }
  return table;
}

template <class T>
void look_up(const std::uint8_t* pixels, std::int64_t positions, const std::vector<T>& table,
             std::int64_t channels, T* out, std::int64_t leading) {
#pragma omp parallel for schedule(static)
  for (std::int64_t p = 0; p < positions; ++p) {
    const std::uint8_t* pixel = pixels + p * channels;
    T* lanes = out + p * leading;
    if (channels == 3) {  // the common case, without a loop
      lanes[0] = table[pixel[0]];
      lanes[1] = table[256 + pixel[1]];
      lanes[2] = table[512 + pixel[2]];
    } else {
      for (std::int64_t c = 0; c < channels; ++c) lanes[c] = table[c * 256 + pixel[c]];
    }
    for (std::int64_t c = channels; c < leading; ++c) lanes[c] = T{};
  }
}

}  // namespace

void normalize_images_on_host(const std::uint8_t* pixels, std::int64_t count, std::span<const double> mean,
                              std::span<const double> deviation, const Tensor& images) {
  const std::int64_t channels = images.channels();
  require(images.shape.rank() == 4 && count >= 0 && count <= images.shape[0],
          "{} images do not fit into a tensor {}", count, images.shape.to_string());
  require(static_cast<std::int64_t>(mean.size()) == channels && deviation.size() == mean.size(),
          "{} means and {} deviations for images of {} channels", mean.size(), deviation.size(), channels);
  const std::int64_t positions = count * images.shape[1] * images.shape[2];
  const auto write = [&](auto* out) {
    using T = std::remove_pointer_t<decltype(out)>;
    look_up(pixels, positions, make_table<T>(images.dtype, mean, deviation), channels, out, images.leading);
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
