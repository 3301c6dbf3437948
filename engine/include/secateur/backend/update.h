// What a weight update runs over.
#pragma once

#include <cstdint>
#include <span>

namespace secateur {

// One parameter's part of the slab in a weight update. Offsets and counts are in elements.
struct UpdateSegment {
  std::int64_t offset = 0;
  std::int64_t count = 0;
  double weight_decay = 0;
  double l1 = 0;  // coefficient of the subgradient of sum |w|

  bool operator==(const UpdateSegment&) const = default;
};

// Slabs of the model's element type, `elements` long each; what no segment covers is left alone.
struct UpdateSlabs {
  void* weights = nullptr;
  const void* gradients = nullptr;
  void* momentum = nullptr;
  std::int64_t elements = 0;
  std::span<const UpdateSegment> segments;
  // One weight decay an element, beside those of the segments: laid out as the weights and of their type.
  // Null: none.
  const void* decay = nullptr;
  // Moving averages of the first `averaged_elements` from `weights` on (running statistics follow the
  // weights). Null: none are kept.
  void* averages = nullptr;
  std::int64_t averaged_elements = 0;
};

}  // namespace secateur
