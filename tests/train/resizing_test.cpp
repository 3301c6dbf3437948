// Progressive resizing: the stairs, and a training that climbs them.
#include "secateur/train/resizing.h"

#include <gtest/gtest.h>

#include <string>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/train/trainer.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::NoiseSource;
using selftest::WholeModel;

TEST(Resizing, ClimbsInEqualStairs) {
  const ResizingOptions options{.from = 128, .until_epoch = 60, .step = 32};
  for (const auto& [epoch, size] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {0, 128}, {19, 128}, {20, 160}, {39, 160}, {40, 192}, {59, 192}, {60, 224}, {89, 224}}) {
    EXPECT_EQ(image_size_at(options, 224, epoch), size) << epoch;
  }
  EXPECT_EQ(image_size_at({}, 224, 0), 224);
  // A last stair that is no whole one.
  EXPECT_EQ(image_size_at({.from = 100, .until_epoch = 10, .step = 32}, 150, 9), 132);
  EXPECT_EQ(image_size_at({.from = 100, .until_epoch = 10, .step = 32}, 150, 10), 150);
}

TEST(Resizing, RefusesImpossibleStairs) {
  EXPECT_NO_THROW(check({.from = 0}, 224));
  EXPECT_THROW(check({.from = 224, .until_epoch = 3}, 224), Error);
  EXPECT_THROW(check({.from = -1, .until_epoch = 3}, 224), Error);
  EXPECT_THROW(check({.from = 128, .until_epoch = 0}, 224), Error);
  EXPECT_THROW(check({.from = 128, .until_epoch = 3, .step = 0}, 224), Error);
}

// Noise of any size, which remembers the sizes that it was asked for.
class AnySize final : public BatchSource {
 public:
  AnySize(MapShape shape, std::int64_t samples) : shape_(shape), samples_(samples) {}
  [[nodiscard]] std::int64_t size() const override { return samples_; }
  [[nodiscard]] MapShape image_shape() const override { return shape_; }
  [[nodiscard]] std::int64_t num_classes() const override { return 4; }
  void set_image_size(std::int64_t side) override { shape_.height = shape_.width = side; }
  void begin_epoch(std::int64_t epoch) override { epoch_ = epoch; }
  void fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
            const Tensor& labels) override {
    EXPECT_EQ(images.shape[1], shape_.height);
    EXPECT_EQ(images.shape[2], shape_.width);
    if (first == 0) sides.push_back(shape_.height);
    NoiseSource noise(shape_, 4, samples_, 3);
    noise.begin_epoch(epoch_);
    noise.fill(first, count, stream, images, labels);
  }

  std::vector<std::int64_t> sides;  // one an epoch

 private:
  MapShape shape_;
  std::int64_t samples_;
  std::int64_t epoch_ = 0;
};

TrainerOptions growing() {
  TrainerOptions options;
  options.batch = 8;
  options.resizing = {.from = 4, .until_epoch = 2, .step = 2};
  return options;
}

const LrPhase kPhase{.factor = find_lr_schedule("constant"), .base_rate = 0.05, .epochs = 4};

TEST(Resizing, TrainsOnGrowingImagesAndResumesBitForBit) {
  TrainObserver silent;
  std::vector<std::vector<double>> outcomes;
  for (const bool interrupted : {false, true}) {
    WholeModel whole(selftest::small_resnet(), DeviceKind::cpu);
    AnySize source(whole.model.graph().shape(0), 21);
    StateTree saved;
    const std::int64_t before = interrupted ? 1 : 4;
    {
      Trainer trainer(whole.model, whole.arena, *whole.stream, source, growing());
      // Known before the first epoch, of images of full size.
      const Program full(whole.model, whole.arena, *whole.stream, {.batch = 8, .mode = ProgramMode::train});
      EXPECT_EQ(trainer.planned_bytes(), full.planned_bytes());
      EXPECT_LT(trainer.program().planned_bytes(), full.planned_bytes());
      for (std::int64_t epoch = 0; epoch < before; ++epoch) (void)trainer.run_epoch(kPhase, epoch, silent);
      trainer.save(StateWriter(saved, "trainer"));
    }
    Trainer trainer(whole.model, whole.arena, *whole.stream, source, growing());
    trainer.restore(StateReader(saved).scope("trainer"));
    for (std::int64_t epoch = before; epoch < 4; ++epoch) (void)trainer.run_epoch(kPhase, epoch, silent);
    EXPECT_EQ(source.sides, (std::vector<std::int64_t>{4, 6, 8, 8}));
    outcomes.push_back(whole.model.read(whole.model.find_parameter("stem.weight"), *whole.stream));
  }
  EXPECT_EQ(outcomes[0], outcomes[1]);
}

std::string error_of(WholeModel& whole, BatchSource& source) {
  try {
    const Trainer trainer(whole.model, whole.arena, *whole.stream, source, growing());
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Resizing, NeedsANetworkAndImagesThatTakeAnySize) {
  WholeModel flat(selftest::small_vgg(), DeviceKind::cpu);
  AnySize any(flat.model.graph().shape(0), 21);
  EXPECT_NE(error_of(flat, any).find("the weight of layer 'fc' would be"), std::string::npos);
  WholeModel pooled(selftest::small_resnet(), DeviceKind::cpu);
  NoiseSource fixed(pooled.model.graph().shape(0), 4, 21, 3);
  EXPECT_NE(error_of(pooled, fixed).find("cannot be scaled"), std::string::npos);
}

}  // namespace
}  // namespace secateur
