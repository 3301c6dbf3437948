#include "secateur/graph/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "secateur/core/slab.h"

namespace secateur {
namespace {

std::int64_t most_alive(std::span<const BufferLife> buffers, std::int64_t alignment) {
  std::int64_t steps = 0;
  for (const BufferLife& buffer : buffers) steps = std::max(steps, buffer.last + 2);
  std::vector<std::int64_t> change(static_cast<std::size_t>(steps), 0);
  for (const BufferLife& buffer : buffers) {
    change[static_cast<std::size_t>(buffer.first)] += align_up(buffer.bytes, alignment);
    change[static_cast<std::size_t>(buffer.last + 1)] -= align_up(buffer.bytes, alignment);
  }
  std::int64_t alive = 0;
  std::int64_t most = 0;
  for (const std::int64_t delta : change) most = std::max(most, alive += delta);
  return most;
}

}  // namespace

MemoryPlan plan_memory(std::span<const BufferLife> buffers, std::int64_t alignment) {
  MemoryPlan plan;
  plan.offsets.assign(buffers.size(), 0);
  plan.lower_bound = most_alive(buffers, alignment);

  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  std::vector<std::size_t> placed;  // by ascending offset
  for (const std::size_t index : order) {
    const BufferLife& buffer = buffers[index];
    const std::int64_t bytes = align_up(buffer.bytes, alignment);
    std::int64_t offset = 0;
    for (const std::size_t other : placed) {
      const bool lives_meet = buffers[other].first <= buffer.last && buffer.first <= buffers[other].last;
      if (!lives_meet) continue;
      if (offset + bytes <= plan.offsets[other]) break;
      offset = std::max(offset, plan.offsets[other] + align_up(buffers[other].bytes, alignment));
    }
    plan.offsets[index] = offset;
    plan.peak = std::max(plan.peak, offset + bytes);
    const auto place =
        std::ranges::upper_bound(placed, offset, {}, [&](std::size_t i) { return plan.offsets[i]; });
    placed.insert(place, index);
  }
  return plan;
}

}  // namespace secateur
