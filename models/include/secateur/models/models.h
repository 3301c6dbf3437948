// The networks that come with Secateur, by name. A builder returns a Graph; nothing in the engine names a
// network.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "secateur/core/shape.h"
#include "secateur/graph/graph.h"

namespace secateur::models {

struct BuildOptions {
  std::int64_t num_classes = 10;
  MapShape image{32, 32, 3};
  std::string shortcut =
      "projection";       // CIFAR ResNets, where the shape changes: projection | zero_padding (option A)
  std::int64_t head = 0;  // VGG: width of a hidden linear layer, 0 for none
};

// Throws Error that names the nearest network for an unknown name, and for impossible options.
[[nodiscard]] Graph build(std::string_view name, const BuildOptions& options = {});

// Names with a line of description, in the order of size.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> list();

}  // namespace secateur::models
