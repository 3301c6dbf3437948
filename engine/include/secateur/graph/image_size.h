// The same network for images of another size.
#pragma once

#include <cstdint>

#include "secateur/graph/graph.h"

namespace secateur {

// The graph with its input `height` x `width`: every node and every parameter as before, maps of other sizes.
// Throws Error where a parameter would change its shape (a linear layer that reads a map position by
// position: only what pools globally takes any size), or where a map would have no positions.
[[nodiscard]] Graph graph_for_images(const Graph& graph, std::int64_t height, std::int64_t width);

}  // namespace secateur
