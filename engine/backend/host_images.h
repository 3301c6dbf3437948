// Pixels to tensors on host devices: one table of 256 values a channel, since a byte has no more.
#pragma once

#include <cstdint>
#include <span>

#include "secateur/backend/primitives.h"

namespace secateur {

// Primitives::load_images on a host device, to f32, f64, f16 or bf16.
void load_images_on_host(const std::uint8_t* pixels, std::int64_t count, std::span<const double> mean,
                         std::span<const double> deviation, const ImageAugmentation& augmentation,
                         const Tensor& images);

}  // namespace secateur
