// What the steady state takes from the heap: nothing. Every operator new of this program is counted while a
// test asks for it, in all threads; those that oneDNN makes for itself are told apart by the caller's
// address.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string_view>

#include "secateur/backend/open_device.h"
#include "secateur/backend/primitives.h"
#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"
#include "secateur/data/loader.h"
#include "secateur/data/prefetch.h"
#include "secateur/models/models.h"
#include "secateur/train/trainer.h"

namespace secateur {
namespace {

struct Counts {
  std::atomic<bool> counting = false;
  std::atomic<std::int64_t> own = 0;
  std::atomic<std::int64_t> of_others = 0;
  std::atomic<std::int64_t> largest_of_others = 0;

  void reset() { own = of_others = largest_of_others = 0; }
  void add(std::size_t bytes, void* caller) {
    Dl_info where{};
    const bool known = ::dladdr(caller, &where) != 0 && where.dli_fname != nullptr;
    if (known && std::string_view(where.dli_fname).find("libdnnl") != std::string_view::npos) {
      ++of_others;
      largest_of_others = std::max<std::int64_t>(largest_of_others, static_cast<std::int64_t>(bytes));
    } else {
      ++own;
    }
  }
};
Counts counts;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCounted = false;  // the sanitizer's own operators stay
#else
constexpr bool kCounted = true;
#endif

}  // namespace
}  // namespace secateur

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// The array and nothrow forms of the standard library call these.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  if (secateur::counts.counting) secateur::counts.add(bytes, __builtin_return_address(0));
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  if (secateur::counts.counting) secateur::counts.add(bytes, __builtin_return_address(0));
  const auto step = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(step, (bytes + step - 1) / step * step)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
#endif

namespace secateur {
namespace {

data::ImageSet noise_images(std::int64_t count) {
  RandomSequence random(7, RngPurpose::test);
  data::ImageSetContent content;
  content.name = "noise";
  content.image_shape = {32, 32, 3};
  content.pixels.resize(static_cast<std::size_t>(count * 32 * 32 * 3));
  for (std::uint8_t& pixel : content.pixels) pixel = static_cast<std::uint8_t>(random.next_u32() >> 24);
  for (std::int64_t i = 0; i < count; ++i) content.labels.push_back(static_cast<std::int32_t>(i % 10));
  for (int i = 0; i < 10; ++i) content.class_names.push_back(std::to_string(i));
  content.statistics = {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}};
  return data::ImageSet(std::move(content));
}

// Counts from the end of step `first` to the end of step `last`.
class CountingObserver final : public TrainObserver {
 public:
  CountingObserver(std::int64_t first, std::int64_t last) : first_(first), last_(last) {}
  void on_step(const StepReport& report) override {
    if (report.step == first_) {
      counts.reset();
      counts.counting = true;
    } else if (report.step == last_) {
      counts.counting = false;
    }
  }

 private:
  std::int64_t first_, last_;
};

TEST(Allocations, TheCounterCounts) {
  if (!kCounted) GTEST_SKIP() << "a sanitizer has the operators";
  counts.reset();
  counts.counting = true;
  const std::vector<int> memory(100);
  counts.counting = false;
  EXPECT_EQ(counts.own, 1);
  EXPECT_EQ(memory.size(), 100);
}

// The whole loop: loader thread, forward, reading the loss, backward, update.
TEST(Allocations, AStepOfTrainingTakesNothingFromTheHeap) {
  if (!kCounted) GTEST_SKIP() << "a sanitizer has the operators";
  for (const char* name : {"resnet8", "vgg16"}) {
    const auto device = open_device(DeviceKind::cpu);
    const auto stream = device->make_stream();
    Arena arena(*device);
    Model model(models::build(name), *device);
    model.initialize(1, *stream);
    data::PrefetchingLoader source(
        std::make_unique<data::Loader>(noise_images(2 * 10), data::training_options(1)));
    Trainer trainer(model, arena, *stream, source, {.batch = 2, .sgd = {}});
    trainer.time_steps();
    CountingObserver observer(4, 8);
    const std::int64_t before = device->allocations();
    const LrPhase phase{find_lr_schedule("constant"), 0.001, 1, 0};
    trainer.run_epoch(phase, 0, observer);
    EXPECT_FALSE(counts.counting);
    EXPECT_EQ(counts.own, 0) << name;
    // oneDNN lists a primitive's operands for each execution; no tensor is among what it takes.
    EXPECT_LT(counts.largest_of_others, 64 << 10) << name;
    EXPECT_EQ(device->allocations() - before, 1) << name << ": the arena";
    EXPECT_EQ(trainer.take_times().steps, 10);
  }
}

TEST(Allocations, ScoringMapsTakesNothingFromTheHeapTheSecondTime) {
  if (!kCounted) GTEST_SKIP() << "a sanitizer has the operators";
  const auto device = open_device(DeviceKind::cpu);
  const auto stream = device->make_stream();
  constexpr std::int64_t kChannels = 20;
  const Shape shape{3, 5, 4, kChannels};
  const Slab slab(*device, shape.count() * size_of(DType::f32));
  const Tensor maps(slab.data(), DType::f32, shape);
  std::vector<double> values(static_cast<std::size_t>(shape.count()));
  RandomSequence random(3, RngPurpose::test);
  for (double& value : values) value = random.normal();
  write_values(maps, values, *stream);
  std::vector<double> sum(kChannels);
  std::vector<double> constant(kChannels);
  for (const CorrelationKind kind : {CorrelationKind::signed_mean, CorrelationKind::absolute_mean}) {
    const auto score = [&] {
      primitives_of(DeviceKind::cpu)
          .accumulate_redundancy(*stream, kind, maps, 3, {sum.data(), constant.data()});
    };
    score();
    counts.reset();
    counts.counting = true;
    score();
    counts.counting = false;
    EXPECT_EQ(counts.own, 0);
  }
}

}  // namespace
}  // namespace secateur
