#include "secateur/kernels/step_state.h"

#include "kernel_test.h"

namespace secateur::kernels::test {
namespace {

// A state on the device that settles steps of 8 samples.
class Steps {
 public:
  explicit Steps(ScaledLoss scale = {}) {
    StepState start;
    start.step = 100;
    start.first = 16;
    start.learning_rates = rates_.data();
    start.loss_scale = scale;
    start.sgd = {.momentum = 0.5F, .nesterov = 1};
    *state_.data() = start;
  }
  StepState& state() { return *state_.data(); }
  void settle(bool overflow = false) {
    state().overflow = overflow ? 1 : 0;
    ASSERT_TRUE(succeeded(settle_step(state_.data(), 8, nullptr)));
  }

 private:
  Array<float> rates_{std::vector<float>{0.5F, 0.25F, 0.125F, 0.0625F, 0.03125F, 1.0F, 2.0F}};
  Array<StepState> state_{std::vector<StepState>{StepState{}}};
};

TEST(StepState, MovesEverythingOn) {
  Steps steps;
  for (int i = 0; i < 3; ++i) {
    steps.settle();
    const StepState& s = steps.state();
    EXPECT_EQ(s.skip, 0);
    EXPECT_EQ(s.sgd.learning_rate, 0.5F / static_cast<float>(1 << i));
    EXPECT_EQ(s.sgd.gradient_scale, 1.0F);
    EXPECT_EQ(s.step, 101U + static_cast<unsigned>(i));
    EXPECT_EQ(s.first, 16 + 8 * (i + 1));
    EXPECT_EQ(s.taken, i + 1);
  }
  EXPECT_EQ(steps.state().sgd.momentum, 0.5F);
  EXPECT_EQ(steps.state().sgd.nesterov, 1);
  EXPECT_EQ(steps.state().loss_scale.value, 1.0F);
  EXPECT_EQ(steps.state().loss_scale.finite_steps, 0);
}

// By hand: 8 from the start, halved at once, doubled after two finite steps, never past 16 and 4.
TEST(StepState, TheLossScaleFollowsTheOverflows) {
  Steps steps({.value = 8, .smallest = 4, .largest = 16, .interval = 2});
  struct Row {
    bool overflow;
    float gradient_scale;  // of this step
    int skip;
    float scale;  // of the next one
    std::int64_t finite_steps, skipped;
  };
  const Row rows[] = {{false, 1.0F / 8, 0, 8, 1, 0},   {false, 1.0F / 8, 0, 16, 0, 0},
                      {false, 1.0F / 16, 0, 16, 1, 0}, {true, 1.0F / 16, 1, 8, 0, 1},
                      {false, 1.0F / 8, 0, 8, 1, 1},   {true, 1.0F / 8, 1, 4, 0, 2}};
  for (const Row& row : rows) {
    steps.settle(row.overflow);
    const StepState& s = steps.state();
    EXPECT_EQ(s.sgd.gradient_scale, row.gradient_scale);
    EXPECT_EQ(s.skip, row.skip);
    EXPECT_EQ(s.overflow, 0);
    EXPECT_EQ(s.loss_scale.value, row.scale);
    EXPECT_EQ(s.loss_scale.finite_steps, row.finite_steps);
    EXPECT_EQ(s.loss_scale.skipped, row.skipped);
    EXPECT_EQ(s.halt, Halt::none);
  }
  EXPECT_EQ(steps.state().taken, 6);  // a step that was skipped is over, too
  // Never past its largest value.
  for (int i = 0; i < 8; ++i) {
    steps.state().taken = 0;
    steps.settle();
  }
  EXPECT_EQ(steps.state().loss_scale.value, 16.0F);
}

// The warm-up of the decay by its formula, until the decay itself is less; steps that are skipped do not
// count.
TEST(StepState, TheAverageWarmsUp) {
  Steps steps({.value = 8, .smallest = 1, .largest = 8, .interval = 100});
  steps.state().averaging = {.decay = 0.2, .updates = 0};
  const float weights[] = {0.9F, static_cast<float>(1 - 2.0 / 11), 0.8F, 0.8F};
  for (int i = 0; i < 4; ++i) {
    steps.settle();
    EXPECT_EQ(steps.state().averaging.weight, weights[i]) << i;
    EXPECT_EQ(steps.state().averaging.updates, i + 1);
  }
  steps.settle(true);
  EXPECT_EQ(steps.state().averaging.updates, 4);
  EXPECT_EQ(steps.state().averaging.decay, 0.2);
  Steps none;
  none.settle();
  EXPECT_EQ(none.state().averaging.updates, 0);
  EXPECT_EQ(none.state().averaging.weight, 0.0F);
}

TEST(StepState, AnOverflowAtTheSmallestScaleHalts) {
  Steps steps({.value = 4, .smallest = 4, .largest = 16, .interval = 2});
  steps.settle(true);
  for (int i = 0; i < 2; ++i) {
    const StepState& s = steps.state();
    EXPECT_EQ(s.halt, Halt::loss_scale);
    EXPECT_EQ(s.skip, 1);
    EXPECT_EQ(s.taken, 0);
    EXPECT_EQ(s.step, 100U);
    EXPECT_EQ(s.first, 16);
    EXPECT_EQ(s.loss_scale.value, 4.0F);
    EXPECT_EQ(s.loss_scale.skipped, 0);
    steps.settle();
  }
}

TEST(StepState, ALossThatIsNotFiniteHaltsForGood) {
  // This process's own loss, and that of all processes together.
  const auto own = [](StepState& state) -> double& { return state.metrics.loss_sum; };
  const auto joint = [](StepState& state) -> double& { return state.joint_loss; };
  using Loss = double& (*)(StepState&);
  for (const auto& [loss, bad] : {std::pair<Loss, double>{own, NAN},
                                  {own, INFINITY},
                                  {own, -INFINITY},
                                  {joint, NAN},
                                  {joint, INFINITY}}) {
    Steps steps;
    loss(steps.state()) = 3.5;
    steps.settle();
    EXPECT_EQ(steps.state().halt, Halt::none);
    loss(steps.state()) = bad;
    steps.settle(true);
    EXPECT_EQ(steps.state().halt, Halt::loss);
    EXPECT_EQ(steps.state().skip, 1);
    loss(steps.state()) = 1;
    steps.settle();
    EXPECT_EQ(steps.state().halt, Halt::loss);
    EXPECT_EQ(steps.state().skip, 1);
    EXPECT_EQ(steps.state().taken, 1);
    EXPECT_EQ(steps.state().first, 24);
    EXPECT_EQ(steps.state().sgd.learning_rate, 0.5F);
  }
}

TEST(StepState, RefusesWhatBreaksTheContract) {
  const Array<StepState> state(1);
  EXPECT_TRUE(refused(settle_step(nullptr, 8, nullptr), "state is null"));
  EXPECT_TRUE(refused(settle_step(state.data(), -1, nullptr), "samples must not be negative"));
}

}  // namespace
}  // namespace secateur::kernels::test
