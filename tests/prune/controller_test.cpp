#include "secateur/prune/controller.h"

#include <gtest/gtest.h>

namespace secateur {
namespace {

TEST(Controller, ScheduleCrossesAtTheMiddle) {
  const Controller controller({}, 10, 0.02);
  EXPECT_NEAR(controller.weights(1).alpha, 0.74, 1e-12);  // 0.8 - 0.6 * 0.1
  EXPECT_NEAR(controller.weights(1).beta, 0.34, 1e-12);   // 0.3 + 0.4 * 0.1
  EXPECT_NEAR(controller.weights(5).alpha, controller.weights(5).beta, 1e-12);
  EXPECT_NEAR(controller.weights(10).alpha, 0.2, 1e-12);
  EXPECT_NEAR(controller.weights(10).beta, 0.7, 1e-12);
}

// Eq. 17 with d = -0.02 / 0.8 = -0.025 and gamma = 0.05: alpha loses 0.125%, beta gains as much.
TEST(Controller, ALossMovesWeightFromAlphaToBeta) {
  Controller controller({}, 10, 0.02);
  controller.feedback(1, 0.80, 0.78);
  EXPECT_NEAR(controller.weights(2).alpha, (0.8 - 0.12) * (1 - 0.05 * 0.025), 1e-12);
  EXPECT_NEAR(controller.weights(2).beta, (0.3 + 0.08) * (1 + 0.05 * 0.025), 1e-12);
}

TEST(Controller, AGainMovesItBack) {
  Controller controller({}, 10, 0.02);
  controller.feedback(1, 0.80, 0.84);
  EXPECT_NEAR(controller.weights(2).alpha, 0.68 * (1 + 0.05 * 0.05), 1e-12);
  EXPECT_NEAR(controller.weights(2).beta, 0.38 * (1 - 0.05 * 0.05), 1e-12);
}

TEST(Controller, PercentMultipliesTheChangeByAHundred) {
  Controller controller({.feedback_unit = FeedbackUnit::percent}, 10, 0.02);
  controller.feedback(1, 0.80, 0.78);
  EXPECT_NEAR(controller.weights(2).alpha, 0.68 * (1 - 0.05 * 2.5), 1e-12);
  EXPECT_NEAR(controller.weights(2).beta, 0.38 * (1 + 0.05 * 2.5), 1e-12);
}

TEST(Controller, FactorsMultiplyOverRounds) {
  Controller controller({}, 10, 0.02);
  controller.feedback(1, 0.80, 0.78);
  controller.feedback(2, 0.78, 0.79);
  const double expected = 0.62 * (1 - 0.05 * 0.02 / 0.80) * (1 + 0.05 * 0.01 / 0.78);
  EXPECT_NEAR(controller.weights(3).alpha, expected, 1e-12);
}

TEST(Controller, RecursionStartsFromTheStartValues) {
  Controller controller({.feedback_base = FeedbackBase::recursion}, 10, 0.02);
  EXPECT_NEAR(controller.weights(7).alpha, 0.8, 1e-12);
  controller.feedback(7, 0.80, 0.78);
  EXPECT_NEAR(controller.weights(8).alpha, 0.8 * (1 - 0.05 * 0.025), 1e-12);
  EXPECT_NEAR(controller.weights(8).beta, 0.3 * (1 + 0.05 * 0.025), 1e-12);
}

TEST(Controller, OccasionsOfTheFeedback) {
  const auto alpha_after = [](FeedbackWhen when, double after) {
    Controller controller({.feedback_when = when}, 10, 0.02);
    controller.feedback(1, 0.8, after);
    return controller.weights(2).alpha;
  };
  const double untouched = 0.68;
  EXPECT_NE(alpha_after(FeedbackWhen::always, 0.81), untouched);
  EXPECT_EQ(alpha_after(FeedbackWhen::drop, 0.81), untouched);
  EXPECT_NE(alpha_after(FeedbackWhen::drop, 0.79), untouched);
  EXPECT_EQ(alpha_after(FeedbackWhen::below_tau, 0.79), untouched);
  EXPECT_NE(alpha_after(FeedbackWhen::below_tau, 0.77), untouched);
}

TEST(Controller, GammaHalves) {
  Controller controller({}, 10, 0.02);
  controller.halve_gamma();
  controller.halve_gamma();
  EXPECT_DOUBLE_EQ(controller.gamma(), 0.0125);
  controller.feedback(1, 0.80, 0.78);
  EXPECT_NEAR(controller.weights(2).alpha, 0.68 * (1 - 0.0125 * 0.025), 1e-12);
}

TEST(Controller, ConstantWeightsHearNothing) {
  Controller controller({.weights = WeightsMode::constant}, 10, 0.02);
  controller.feedback(1, 0.8, 0.1);
  EXPECT_DOUBLE_EQ(controller.weights(9).alpha, 0.8);
  EXPECT_DOUBLE_EQ(controller.weights(9).beta, 0.7);
}

TEST(Controller, WeightsStayWithinBounds) {
  ControllerOptions options{.gamma = 1, .feedback_unit = FeedbackUnit::percent};
  Controller controller(options, 10, 0.02);
  for (int t = 1; t <= 5; ++t) controller.feedback(t, 0.8, 0.1);
  EXPECT_DOUBLE_EQ(controller.weights(6).alpha, Controller::kLowestWeight);
  EXPECT_DOUBLE_EQ(controller.weights(6).beta, Controller::kHighestWeight);
  // Out of the bound again as soon as the accuracy rises: d = 1% changes the weights by a factor of 2 or 0
  // here.
  controller.feedback(6, 0.5, 0.505);
  EXPECT_GT(controller.weights(7).alpha, Controller::kLowestWeight);
  EXPECT_LT(controller.weights(7).beta, Controller::kHighestWeight);
}

TEST(Controller, StateSurvives) {
  Controller controller({}, 10, 0.02);
  controller.feedback(1, 0.8, 0.7);
  controller.halve_gamma();
  StateTree tree;
  controller.save(StateWriter(tree));
  Controller other({}, 10, 0.02);
  other.restore(StateReader(tree));
  EXPECT_DOUBLE_EQ(other.weights(2).alpha, controller.weights(2).alpha);
  EXPECT_DOUBLE_EQ(other.weights(2).beta, controller.weights(2).beta);
  EXPECT_DOUBLE_EQ(other.gamma(), 0.025);
}

}  // namespace
}  // namespace secateur
