// The networks that come with Secateur, by name. A builder returns a Graph; nothing in the engine names a
// network.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "secateur/core/shape.h"
#include "secateur/graph/graph.h"

namespace secateur::models {

struct BuildOptions {
  // Not given: those that the network was published for (10 and 32x32, or 1000 and 224x224, in colour).
  std::optional<std::int64_t> num_classes = std::nullopt;
  std::optional<MapShape> image = std::nullopt;
  std::string shortcut =
      "projection";       // CIFAR ResNets, where the shape changes: projection | zero_padding (option A)
  std::int64_t head = 0;  // VGG: width of a hidden linear layer, 0 for none
};

// Throws Error that names the nearest network for an unknown name, and for impossible options. The networks
// of 32x32 images take other sizes too, as long as their pools do; those of 224x224 any from 32 on.
[[nodiscard]] Graph build(std::string_view name, const BuildOptions& options = {});

// Names with a line of description, in the order of size.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> list();

}  // namespace secateur::models
