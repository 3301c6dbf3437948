// A StateTree as an HDF5 file in memory, and back.
//
// Path parts are groups, values are datasets. The attribute "kind" of a dataset says which alternative of
// StateValue it holds ("integer", "real", "boolean", "string", "integers", "reals", "strings", "tensor"); a
// tensor also has "dtype". f16 and bf16 are stored as their 16 bits, little-endian like everything else. The
// same tree gives the same bytes: no time of creation is stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "secateur/io/state_tree.h"

namespace secateur {

// Size of the HDF5 user block in front, which is left to the caller and zero in a new image.
inline constexpr std::int64_t kUserBlockBytes = 512;

// The whole file, user block included. Throws Error that names the path of a value that cannot be stored: a
// tensor with more or fewer bytes than its shape says, a NUL character in a list of strings.
[[nodiscard]] std::vector<std::byte> make_state_image(const StateTree& tree);

// Throws Error for what is not an image made by make_state_image. Takes the image, to free it as soon as the
// library has its copy.
[[nodiscard]] StateTree read_state_image(std::vector<std::byte> image);

}  // namespace secateur
