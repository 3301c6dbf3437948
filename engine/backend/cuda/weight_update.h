// The launch of a weight update, whichever memory its scalars lie in.
#pragma once

#include "backend/cuda/cuda_device.h"
#include "secateur/backend/update.h"
#include "secateur/kernels/sgd_momentum.h"

namespace secateur::cuda {

// `step` and `skip` (null: never) are in device memory.
void queue_weight_update(CudaStream& stream, const UpdateSlabs& slabs, const kernels::SgdStep* step,
                         const std::int32_t* skip);

}  // namespace secateur::cuda
