// The learned choice among criteria (lfpc) against every choice tried out.
#include "prune/criterion_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "secateur/core/error.h"
#include "secateur/prune/criterion.h"
#include "secateur/prune/scope.h"
#include "secateur/prune/scorer.h"
#include "secateur/prune/surgeon.h"
#include "selftest/prune_graphs.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::WholeModel;

constexpr std::int64_t kImages = 16;

// Chooses among masks that are written down: scores are the masks themselves.
class Listed final : public Criterion {
 public:
  explicit Listed(std::vector<std::vector<std::vector<double>>> of_space) : of_space_(std::move(of_space)) {}
  CriterionNeeds needs() const override { return {.choice = true}; }
  std::vector<std::vector<double>> candidates(const SpaceStatistics& space,
                                              const CriterionContext& /*context*/) const override {
    return of_space_.at(static_cast<std::size_t>(space.space - first_));
  }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    return std::vector<double>(static_cast<std::size_t>(space.width), 0.0);
  }
  void count_from(std::int64_t first) { first_ = first; }

 private:
  std::vector<std::vector<std::vector<double>>> of_space_;
  std::int64_t first_ = 0;
};

struct Choosing {
  WholeModel whole;
  selftest::NoiseSource source;

  Choosing(Graph graph, DeviceKind kind, std::uint64_t seed)
      : whole(std::move(graph), kind, seed), source(whole.model.graph().shape(0), 4, 64, 3) {}

  std::vector<SpaceStatistics> choose(const Criterion& criterion, std::vector<std::int64_t> spaces,
                                      double rate) {
    Scorer scorer(whole.model, whole.arena, *whole.stream,
                  {.images = kImages, .batch = 8, .precision = whole.precision});
    auto statistics = scorer.measure(spaces, criterion.needs(), false, source, 1);
    scorer.choose(criterion, {.round = 1, .seed = 5}, rate, source, statistics);
    return statistics;
  }

  std::vector<std::int64_t> prunable() const {
    return prunable_spaces(whole.model.graph(), ChannelSpaces(whole.model.graph()), PruneScope::all, {});
  }

  std::vector<std::vector<double>> values() {
    std::vector<std::vector<double>> result;
    for (std::size_t p = 0; p < whole.model.parameters().size(); ++p)
      result.push_back(whole.model.read(static_cast<std::int64_t>(p), *whole.stream));
    return result;
  }

  double loss() {
    Program program(
        whole.model, whole.arena, *whole.stream,
        {.batch = kImages, .mode = ProgramMode::infer, .precision = whole.precision, .with_loss = true});
    source.begin_epoch(1);
    source.fill(0, kImages, *whole.stream, program.images(), program.labels());
    program.forward({});
    double sum = 0;
    for (const double value : read_values(program.losses(), *whole.stream)) sum += value;
    return sum / static_cast<double>(kImages);
  }
};

std::vector<std::int64_t> kept_by(const std::vector<double>& mask) {
  std::vector<std::int64_t> kept;
  for (std::size_t m = 0; m < mask.size(); ++m) {
    if (mask[m] > 0) kept.push_back(static_cast<std::int64_t>(m));
  }
  return kept;
}

TEST(MaskOfScores, DropsTheLowestAndKeepsOne) {
  EXPECT_EQ(mask_of_scores({3, 1, 2, 5}, 0.5), (std::vector<double>{1, 0, 0, 1}));
  EXPECT_EQ(mask_of_scores({1, 1, 1}, 0.34), (std::vector<double>{1, 1, 0}));
  EXPECT_EQ(mask_of_scores({1, 2, 3}, 0.99), (std::vector<double>{0, 0, 1}));
  EXPECT_EQ(mask_of_scores({1, 2}, 0.1), (std::vector<double>{1, 1}));
}

// Three ways to drop two of six channels; the Surgeon tells what each one costs. The choice goes downhill
// from an even mixture and may end beside the best, but hardly ever, and never at the worst.
TEST(CriterionChoice, NearlyAlwaysTakesTheMaskOfLeastLoss) {
  const std::vector<std::vector<double>> masks{{0, 0, 1, 1, 1, 1}, {1, 1, 0, 0, 1, 1}, {1, 1, 1, 1, 0, 0}};
  std::vector<std::int64_t> best_of;
  int hits = 0;
  for (const DeviceKind kind : {DeviceKind::reference, DeviceKind::cpu}) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      std::vector<double> losses;
      for (const std::vector<double>& mask : masks) {
        Choosing setup(selftest::small_vgg(), kind, seed);
        const ChannelSpaces spaces(setup.whole.model.graph());
        const std::string name = spaces.space(setup.prunable()[0]).name;
        apply_plan(setup.whole.model, {{{name, 6, kept_by(mask)}}}, *setup.whole.stream);
        losses.push_back(setup.loss());
      }
      const auto best = std::ranges::min_element(losses) - losses.begin();
      Choosing setup(selftest::small_vgg(), kind, seed);
      Listed listed({masks});
      listed.count_from(setup.prunable()[0]);
      const auto before = setup.values();
      const auto statistics = setup.choose(listed, {setup.prunable()[0]}, 2.0 / 6);
      const std::int64_t chosen = statistics[0].chosen;
      if (chosen == best) ++hits;
      EXPECT_NE(chosen, std::ranges::max_element(losses) - losses.begin())
          << name_of(kind) << " seed " << seed << ": " << fmt::format("{}", fmt::join(losses, " "));
      EXPECT_EQ(setup.values(), before) << "the weights are put back";
      best_of.push_back(best);
    }
  }
  EXPECT_GE(hits, 10) << "of twelve";
  std::ranges::sort(best_of);
  EXPECT_NE(best_of.front(), best_of.back()) << "one and the same answer proves nothing";
}

// A gate of zero is a removal, and nothing of it is left afterwards.
TEST(CriterionChoice, GatesMultiplyTheMaps) {
  for (const auto build : {selftest::flat_network, selftest::option_a_resnet}) {
    Choosing setup(build(), DeviceKind::reference, 3);
    const double whole = setup.loss();
    for (const std::int64_t index : setup.prunable()) {
      const ChannelSpace space = ChannelSpaces(setup.whole.model.graph()).space(index);
      std::vector<double> mask(static_cast<std::size_t>(space.width), 1.0);
      mask[0] = 0;
      double gated = 0;
      {
        // With one candidate the mixture is that candidate.
        CriterionChoice choice(setup.whole.model, *setup.whole.stream, {{index, {mask}}}, 1, 1);
        choice.gate(1.0);
        gated = setup.loss();
        EXPECT_EQ(choice.chosen(), (std::vector<std::int64_t>{0}));
      }
      EXPECT_NEAR(setup.loss(), whole, 1e-12) << space.name;
      Choosing pruned(build(), DeviceKind::reference, 3);
      apply_plan(pruned.whole.model, {{{space.name, space.width, kept_by(mask)}}}, *pruned.whole.stream);
      EXPECT_NEAR(gated, pruned.loss(), 1e-10) << space.name;
    }
  }
}

TEST(Lfpc, PrunesEachSpaceByTheCriterionThatWasChosen) {
  Choosing setup(selftest::small_resnet(), DeviceKind::cpu, 2);
  const auto lfpc = make_criterion("lfpc", {});
  const CriterionContext context{.round = 1, .seed = 5};
  const char* names[] = {"l1", "l2", "fpgm"};
  for (const SpaceStatistics& space : setup.choose(*lfpc, setup.prunable(), 0.4)) {
    ASSERT_GE(space.chosen, 0);
    ASSERT_LT(space.chosen, 3);
    EXPECT_EQ(lfpc->score(space, context), make_criterion(names[space.chosen], {})->score(space, context));
    EXPECT_EQ(lfpc->candidates(space, context).size(), 3U);
  }
  SpaceStatistics none;
  none.width = 2;
  EXPECT_THROW((void)lfpc->score(none, context), Error);
}

}  // namespace
}  // namespace secateur
