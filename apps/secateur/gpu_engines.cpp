#include "secateur/gpu_engines.h"

#include <memory>

#include "secateur/core/error.h"
#ifdef SECATEUR_WITH_CUDA
#include "secateur/backend/conv_plan.h"
#endif

namespace secateur::app {

#ifdef SECATEUR_WITH_CUDA
EngineFinder engines_of(const GpuDescription& gpu, const std::string& /*purpose*/) {
  // A refusal is an answer too.
  return [cache = std::make_shared<ConvPlanCache>(gpu)](const ConvProblem& problem) -> PassEngine {
    try {
      const auto plan = cache->find(problem);
      return {plan->engine(), plan->workspace(), plan->tensor_cores(), ""};
    } catch (const Error& error) {
      return {"", 0, false, error.what()};
    }
  };
}
#else
EngineFinder engines_of(const GpuDescription& gpu, const std::string& purpose) {
  fail(
      "{} asks cuDNN for its engines, and this build is without CUDA (the cpu preset): build with "
      "`cmake --preset cuda`; no GPU ({} or other) is needed, only the CUDA toolkit and cuDNN",
      purpose, gpu.name);
}
#endif

}  // namespace secateur::app
