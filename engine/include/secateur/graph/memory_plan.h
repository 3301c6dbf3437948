// Memory plan: offsets in one slab for buffers that live from a first to a last step, so that buffers whose
// lives do not meet share bytes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace secateur {

struct BufferLife {
  std::int64_t bytes = 0;
  std::int64_t first = 0;  // step that writes it
  std::int64_t last = 0;   // last step that reads it, inclusive; >= first
};

struct MemoryPlan {
  std::vector<std::int64_t> offsets;  // one a buffer, multiples of the alignment
  std::int64_t peak = 0;              // bytes of the slab
  std::int64_t lower_bound = 0;       // most bytes that live at one step: no plan can need less
};

// Largest buffers first, each at the lowest offset that is free during its whole life.
[[nodiscard]] MemoryPlan plan_memory(std::span<const BufferLife> buffers, std::int64_t alignment);

}  // namespace secateur
