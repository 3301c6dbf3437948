#include "secateur/prune/plan_table.h"

#include <gtest/gtest.h>

#include "secateur/core/error.h"
#include "secateur/graph/cost.h"
#include "selftest/small_networks.h"

namespace secateur {
namespace {

SpaceScores space(std::string name, std::vector<double> scores) {
  SpaceScores s;
  s.name = name;
  s.producers = {std::move(name)};
  s.width = static_cast<std::int64_t>(scores.size());
  s.scores = std::move(scores);
  return s;
}

TEST(PlanTable, CountsWhatTheRemovalSaves) {
  const Graph graph = selftest::small_vgg();  // conv1 3 -> 6 at 8x8, conv2 6 -> 9 at 4x4, fc 36 -> 4
  const std::vector<SpaceScores> spaces{space("conv1", {0, 0, 0, 0.5, 0.5, 0.5}),
                                        space("conv2", {1, 1, 1, 1, 1, 1, 1, 1, 1})};
  PlannedRound planned;
  planned.rates = {0.5, 0.0};
  planned.steps = {{6, 3, 3, 3.0}, {9, 9, 0, 9.0}};
  planned.plan.edits = {{"conv1", 6, {3, 4, 5}}};
  const PlanTable table = plan_table(graph, planned, spaces);
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0].parameters_before, 3 * 9 * 6);
  EXPECT_EQ(table.rows[0].parameters_after, 3 * 9 * 3);
  EXPECT_EQ(table.rows[0].macs_before, 64 * 3 * 9 * 6);
  EXPECT_EQ(table.rows[0].macs_after, 64 * 3 * 9 * 3);
  EXPECT_DOUBLE_EQ(table.rows[0].importance, 0.25);
  // The second layer keeps its filters but reads fewer maps.
  EXPECT_EQ(table.rows[1].width_after, 9);
  EXPECT_EQ(table.rows[1].parameters_after, 3 * 9 * 9);
  EXPECT_EQ(table.parameters_before, cost_of(graph).parameters);
  // Filters and batch norm of conv1, and the columns of conv2.
  EXPECT_EQ(table.parameters_before - table.parameters_after, 3 * 9 * 3 + 2 * 3 + 3 * 9 * 9);
  EXPECT_EQ(table.macs_before - table.macs_after, 64 * 3 * 9 * 3 + 16 * 3 * 9 * 9);

  const std::string text = table.to_text();
  EXPECT_NE(text.find("conv1"), std::string::npos);
  EXPECT_NE(text.find("6 -> 3"), std::string::npos) << text;
  EXPECT_NE(text.find("-50.0%"), std::string::npos) << text;
  EXPECT_NE(text.find("network"), std::string::npos);
  EXPECT_EQ(text.find("Nothing is removed"), std::string::npos);
}

TEST(PlanTable, SaysWhyNothingIsRemoved) {
  const std::vector<SpaceScores> spaces{space("conv1", {0, 0, 0, 0.5, 0.5, 0.5})};
  PlannedRound planned;
  planned.rates = {0.0};
  planned.steps = {{6, 6, 0, 6.0}};
  planned.why_empty = "every rate is 0";
  EXPECT_NE(plan_table(selftest::small_vgg(), planned, spaces)
                .to_text()
                .find("Nothing is removed: every rate is 0."),
            std::string::npos);
}

TEST(PlanTable, RefusesAPlanOfOtherLayers) {
  PlannedRound planned;
  planned.rates = {0.0};
  planned.steps = {{6, 6, 0, 6.0}};
  EXPECT_THROW((void)plan_table(selftest::small_vgg(), planned, {}), Error);
}

}  // namespace
}  // namespace secateur
