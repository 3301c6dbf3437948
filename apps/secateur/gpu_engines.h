// cuDNN's engines for convolutions on a GPU that need not be there.
#pragma once

#include "secateur/runtime/network_plan.h"

namespace secateur::app {

// Plans are made once a problem, and live as long as the function. Throws Error in a build without CUDA,
// which says what it takes; `purpose` begins it ("secateur plan").
[[nodiscard]] EngineFinder engines_of(const GpuDescription& gpu, const std::string& purpose);

}  // namespace secateur::app
