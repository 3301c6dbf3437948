// Memory of a step, from compiling it, on the host's device; the one of a GPU is planned in builds with CUDA.
#include "secateur/runtime/step_memory.h"

#include <gtest/gtest.h>

#include "secateur/backend/cuda.h"
#include "secateur/core/error.h"
#include "secateur/models/models.h"
#include "secateur/runtime/program.h"

namespace secateur {
namespace {

TEST(StepMemory, IsWhatModelAndProgramTake) {
  const auto device = make_host_device(DeviceKind::cpu);
  const auto stream = device->make_stream();
  const Graph graph = models::build("resnet20");
  const StepMemory training = step_memory(graph, *device, {.batch = 8});
  Model model(graph, *device);
  Arena arena(*device);
  const Program program(model, arena, *stream, {.batch = 8, .mode = ProgramMode::train});
  EXPECT_EQ(training.step, program.planned_bytes());
  EXPECT_EQ(training.model, model.bytes());
  EXPECT_LE(training.lower_bound, training.step);
  const StepMemory inference = step_memory(graph, *device, {.batch = 8, .training = false});
  EXPECT_LT(inference.step, training.step);
  EXPECT_LT(inference.model, training.model);
}

TEST(StepMemory, LargestBatchFitsAndALittleMoreDoesNot) {
  const auto device = make_host_device(DeviceKind::cpu);
  const Graph graph = models::build("resnet20");
  const auto total = [&](std::int64_t batch) {
    return step_memory(graph, *device, {.batch = batch}).total();
  };
  for (const std::int64_t begin : {1, 20, 4000}) {
    const std::int64_t bytes = total(37) + 1000;
    const std::int64_t batch = largest_batch(graph, *device, {.batch = begin}, bytes);
    EXPECT_LE(total(batch), bytes);
    EXPECT_GT(total(batch + 2), bytes) << "begun at " << begin << ": " << batch;
  }
  EXPECT_EQ(largest_batch(graph, *device, {.batch = 8}, 1000), 0);
  EXPECT_THROW(static_cast<void>(largest_batch(graph, *device, {.batch = 0}, 1000)), Error);
}

#ifdef SECATEUR_WITH_CUDA
// Every network compiles for a GPU that is not there, in every precision, for training and for inference.
TEST(StepMemory, CudaProgramsCompileForDescribedGpus) {
  for (const char* gpu : {"h200", "a100", "rtx3090"}) {
    const auto device = make_described_cuda_device(find_gpu(gpu));
    for (const char* name : {"vgg16", "resnet20", "resnet50"}) {
      const Graph graph = models::build(name);
      for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16}) {
        SCOPED_TRACE(fmt::format("{} {} {}", gpu, name, name_of(precision)));
        const StepMemory training = step_memory(graph, *device, {.batch = 16, .precision = precision});
        const StepMemory inference =
            step_memory(graph, *device, {.batch = 16, .precision = precision, .training = false});
        EXPECT_GE(training.step, training.lower_bound);
        EXPECT_LE(static_cast<double>(training.step), 1.25 * static_cast<double>(training.lower_bound));
        EXPECT_LT(inference.total(), training.total());
      }
    }
  }
}

TEST(StepMemory, CudaNothingIsReadFromOrRunOnADescribedGpu) {
  const auto device = make_described_cuda_device(find_gpu("a100"));
  const auto stream = device->make_stream();
  Model model(models::build("resnet20"), *device);
  EXPECT_THROW(static_cast<void>(model.read(0, *stream)), Error);
  Arena arena(*device);
  Program program(model, arena, *stream, {.batch = 2});
  EXPECT_THROW(program.forward({}), Error);
}
#endif

}  // namespace
}  // namespace secateur
