// How many channels a host device stores for a map's.
#pragma once

#include <cstdint>

#include "secateur/core/shape.h"
#include "secateur/core/slab.h"

namespace secateur {

// Eight floats: what the processor's convolutions read at once. They are far slower for odd channel counts.
inline constexpr std::int64_t kHostVector = 8;

// Maps of more channels than a vector has are stored in whole vectors; images and class scores as they are.
[[nodiscard]] inline std::int64_t host_stored_channels(const MapShape& shape) {
  return shape.positions() > 1 && shape.channels > kHostVector ? align_up(shape.channels, kHostVector)
                                                               : shape.channels;
}

}  // namespace secateur
