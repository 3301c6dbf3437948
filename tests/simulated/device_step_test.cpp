// The scalars of training steps on the simulated GPU, and memory that a step would not have.
#include "secateur/backend/device_step.h"

#include <gtest/gtest.h>

#include <limits>

#include "data/data_fixtures.h"
#include "secateur/backend/open_device.h"
#include "secateur/backend/primitives.h"
#include "secateur/core/host_values.h"
#include "secateur/train/trainer.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"
#include "simulated/gpu.h"

namespace secateur {
namespace {

using data::error_of;

// Weights, gradients and momentum of four elements.
class Steps : public ::testing::Test {
 protected:
  Steps() {
    write_values(weights_, std::vector<double>{1, 2, 3, 4}, *stream_);
    write_values(momentum_, std::vector<double>{0, 0, 0, 0}, *stream_);
    write_values(gradients_, std::vector<double>{4, 4, 8, 8}, *stream_);
  }
  void update() {
    const std::vector<UpdateSegment> segments{{.offset = 0, .count = 4}};
    state_->update({.weights = weights_.data,
                    .gradients = gradients_.data,
                    .momentum = momentum_.data,
                    .elements = 4,
                    .segments = segments},
                   8);
  }
  std::vector<double> weights() { return read_values(weights_, *stream_); }
  static DeviceStepStart start() {
    static const std::vector<double> rates{0.5, 0.25, 0.125};
    DeviceStepStart start;
    start.step = 7;
    start.learning_rates = rates;
    return start;
  }

  std::unique_ptr<Device> device_ = open_device(DeviceKind::cuda);
  std::unique_ptr<Stream> stream_ = device_->make_stream();
  Slab memory_{*device_, 768};
  Tensor weights_{memory_.data(), DType::f32, {4}};
  Tensor momentum_{memory_.at(256), DType::f32, {4}};
  Tensor gradients_{memory_.at(512), DType::f32, {4}};
  std::unique_ptr<DeviceStep> state_ = primitives_of(DeviceKind::cuda).make_device_step(*stream_);
};

TEST_F(Steps, FollowTheLearningRates) {
  state_->begin(start());
  update();
  EXPECT_EQ(weights(), (std::vector<double>{-1, 0, -1, 0}));
  update();
  EXPECT_EQ(weights(), (std::vector<double>{-2, -1, -3, -2}));
  const DeviceStepReading reading = state_->read();
  EXPECT_EQ(reading.steps, 2);
  EXPECT_EQ(reading.samples, 16);
  EXPECT_FALSE(reading.loss_not_finite || reading.loss_scale_exhausted);
}

TEST_F(Steps, TakeTheLossScaleOutAndSkipOverflows) {
  DeviceStepStart scaled = start();
  scaled.scales_loss = true;
  scaled.scaling = {.start = 4, .smallest = 1, .largest = 8, .interval = 2};
  scaled.loss_scale = {.value = 2, .finite_steps = 0, .skipped = 3};
  state_->begin(scaled);
  update();  // gradients are half of what lies there
  EXPECT_EQ(weights(), (std::vector<double>{0, 1, 1, 2}));
  write_values(gradients_, std::vector<double>{1, 1, std::numeric_limits<double>::infinity(), 1}, *stream_);
  update();
  EXPECT_EQ(weights(), (std::vector<double>{0, 1, 1, 2}));
  DeviceStepReading reading = state_->read();
  EXPECT_EQ(reading.steps, 2);
  EXPECT_EQ(reading.loss_scale.value, 1);
  EXPECT_EQ(reading.loss_scale.skipped, 4);
  EXPECT_EQ(reading.loss_scale.finite_steps, 0);
  update();  // no smaller scale is left
  reading = state_->read();
  EXPECT_TRUE(reading.loss_scale_exhausted);
  EXPECT_EQ(reading.steps, 2);
  LossScale scale(Precision::fp16, scaled.scaling);
  EXPECT_NE(error_of([&] {
              scale.follow(reading.loss_scale, reading.loss_scale_exhausted);
            }).find("not finite even at the smallest loss scale, 1"),
            std::string::npos);
  // What the host writes begins anew.
  write_values(gradients_, std::vector<double>{0, 0, 0, 1}, *stream_);
  state_->begin(scaled);
  update();
  EXPECT_EQ(weights(), (std::vector<double>{0, 1, 1, 1.75}));
}

// A series may be longer than the one before; what was recorded with the state finds its learning rates.
TEST_F(Steps, OutliveTheirLearningRates) {
  state_->begin(start());
  const auto recording = stream_->record([&] { update(); });
  recording->replay();
  EXPECT_EQ(weights(), (std::vector<double>{-1, 0, -1, 0}));
  const std::vector<double> more(1000, 0.25);
  DeviceStepStart longer = start();
  longer.learning_rates = more;
  state_->begin(longer);
  recording->replay();
  EXPECT_EQ(weights(), (std::vector<double>{-2, -1, -3, -2}));
}

// Refused before anything runs, with the batch that would fit.
TEST(StepMemory, IsRefusedBeforehandWithTheBatchThatFits) {
  struct Restore {
    std::size_t memory = simulated::gpu().memory;
    ~Restore() { simulated::gpu().memory = memory; }
  } restore;
  selftest::WholeModel whole(selftest::small_resnet(3), DeviceKind::cuda, Precision::fp32, 7);
  selftest::NoiseSource source(whole.model.graph().shape(0), 4, 64, 3);
  const auto trainer = [&](std::int64_t batch) {
    TrainerOptions options;
    options.batch = batch;
    return std::make_unique<Trainer>(whole.model, whole.arena, *whole.stream, source, options);
  };
  const std::int64_t needed = trainer(64)->planned_bytes();
  const std::int64_t room = needed - needed / 20;  // matrix products take megabytes at any batch
  simulated::gpu().memory = static_cast<std::size_t>(room);
  const std::int64_t allocations = whole.device->allocations();
  const auto too_large = trainer(64);
  const std::string error = error_of([&] { static_cast<void>(too_large->planned_bytes()); });
  EXPECT_NE(error.find("a step at batch 64 in fp32 needs"), std::string::npos) << error;
  const std::string words = "a batch of ";
  ASSERT_NE(error.find(words), std::string::npos) << error;
  const std::int64_t fits = std::stoll(error.substr(error.find(words) + words.size()));
  EXPECT_LE(trainer(fits)->planned_bytes(), room);
  EXPECT_THROW(static_cast<void>(trainer(fits + 2)->planned_bytes()), Error);
  const auto fitting = trainer(fits);
  EXPECT_EQ(fitting->peak_bytes(), whole.device->allocated_bytes() + fitting->planned_bytes());
  EXPECT_LE(whole.device->allocations(), allocations + 4 * 2);  // a trainer's own state, no maps
  simulated::gpu().memory = 1000;
  const std::string none = error_of([&] { static_cast<void>(trainer(64)->planned_bytes()); });
  EXPECT_NE(none.find("not even one image fits"), std::string::npos) << none;
}

}  // namespace
}  // namespace secateur
