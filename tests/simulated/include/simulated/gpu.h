// What the simulated GPU was asked for since the program began, and what a test may set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace secateur::simulated {

struct Gpu {
  std::int64_t synchronizations = 0;  // times that the host waited for a stream
  std::int64_t allocations = 0;
  std::int64_t instantiations = 0;  // of graphs
  std::int64_t graph_launches = 0;
  std::size_t memory = std::size_t{1} << 34;  // bytes that are always free
};

[[nodiscard]] Gpu& gpu();

}  // namespace secateur::simulated
