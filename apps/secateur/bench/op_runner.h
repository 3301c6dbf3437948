// An op's CPU kernel with operands of its own.
#pragma once

#include "secateur/bench/bench.h"
#include "secateur/graph/graph.h"

namespace secateur::bench {

enum class Pass : std::uint8_t { forward, backward, both };

// Runs a pass of `node` on random inputs of the given shapes; before a backward pass alone, one forward pass
// was run. The digest is that of the output, or of the first input's gradient where there is a backward pass.
[[nodiscard]] Runner op_runner(const Node& node, const std::vector<Shape>& inputs, Pass pass);

}  // namespace secateur::bench
