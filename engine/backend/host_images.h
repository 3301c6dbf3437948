// Pixels to tensors on host devices: one table of 256 values a channel, since a byte has no more.
#pragma once

#include <cstdint>
#include <span>

#include "secateur/backend/primitives.h"

namespace secateur {

// Images in memory, 8 bits a channel, [*, height, width, C] with the C of the tensor that they go to.
struct HostImages {
  const std::uint8_t* pixels = nullptr;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

// Primitives::load_images on a host device, to f32, f64, f16 or bf16; `images` may have fewer rows and
// columns than the padded image: crops of it, in the middle (rounded down) where they are not drawn.
void load_images_on_host(const HostImages& source, std::int64_t count, std::span<const double> mean,
                         std::span<const double> deviation, const ImageAugmentation& augmentation,
                         const Tensor& images);

}  // namespace secateur
