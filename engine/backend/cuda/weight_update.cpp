#include "backend/cuda/weight_update.h"

#include <vector>

#include "backend/cuda/cuda_kernel.h"

namespace secateur::cuda {

void queue_weight_update(CudaStream& stream, const UpdateSlabs& slabs, const kernels::SgdStep* step,
                         const std::int32_t* skip) {
  std::vector<kernels::SgdSegment> table;
  table.reserve(slabs.segments.size());
  for (const UpdateSegment& segment : slabs.segments) {
    table.push_back({.offset = segment.offset,
                     .count = segment.count,
                     .gradient_offset = segment.offset,
                     .weight_decay = static_cast<float>(segment.weight_decay),
                     .l1 = static_cast<float>(segment.l1)});
  }
  const kernels::SgdSlab slab{.weights = static_cast<float*>(slabs.weights),
                              .momentum = static_cast<float*>(slabs.momentum),
                              .gradients = slabs.gradients,
                              .decay = static_cast<const float*>(slabs.decay)};
  const kernels::Status status = kernels::sgd_momentum(
      slab, table.data(), static_cast<std::int64_t>(table.size()), step, skip, stream.handle());
  require(status.ok(), "{}", status.message);
}

}  // namespace secateur::cuda
