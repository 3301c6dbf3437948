// Searches as state machines on scripted fitness: no network.
#include "secateur/prune/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "secateur/core/error.h"

namespace secateur {
namespace {

SearchProblem problem_of_test() {
  return {.options = {.name = "abc", .sources = 5, .cycles = 8, .patience = 3, .levels = 8},
          .layers = 6,
          .round = 2,
          .seed = 11};
}

// Best at 0.3, 0.4, ... : every layer counts.
double fitness_of(const std::vector<double>& rates) {
  double distance = 0;
  for (std::size_t l = 0; l < rates.size(); ++l)
    distance += std::abs(rates[l] - 0.3 - 0.1 * static_cast<double>(l % 3));
  return 1 / (1 + distance);
}

struct Trace {
  std::vector<std::vector<double>> asked;
  std::vector<double> fitness;
};

Trace run(Search& search) {
  Trace trace;
  while (!search.finished() && trace.asked.size() < 10000) {
    trace.asked.push_back(search.ask());
    trace.fitness.push_back(fitness_of(trace.asked.back()));
    search.tell(trace.fitness.back());
  }
  return trace;
}

TEST(Abc, EveryCandidateIsInTenthsWithinItsLevels) {
  const auto search = make_search(problem_of_test());
  const Trace trace = run(*search);
  for (const auto& rates : trace.asked) {
    ASSERT_EQ(rates.size(), 6U);
    for (const double rate : rates) {
      EXPECT_NEAR(rate * 10, std::round(rate * 10), 1e-9);
      EXPECT_GE(rate, 0.2 - 1e-12);  // 8 levels: keeps at most 8 tenths
      EXPECT_LE(rate, 0.9 + 1e-12);  // and at least one
    }
  }
}

TEST(Abc, MeasuresAsManyAsItsCyclesSay) {
  const Trace trace = run(*make_search(problem_of_test()));
  // Sources, then per cycle all employed bees, some onlookers and at most one scout.
  EXPECT_GT(trace.asked.size(), 5U + 8U * 5U);
  EXPECT_LE(trace.asked.size(), 5U + 8U * (5U + 5U + 1U));
  SearchProblem none = problem_of_test();
  none.options.cycles = 0;
  EXPECT_EQ(run(*make_search(none)).asked.size(), 5U);
}

TEST(Abc, EmployedBeesMoveTheirOwnSourceInTwoLayersAtMost) {
  const Trace trace = run(*make_search(problem_of_test()));
  for (std::size_t bee = 0; bee < 5; ++bee) {  // the first cycle: source `bee` is still as it was drawn
    std::int64_t changed = 0;
    for (std::size_t l = 0; l < 6; ++l) {
      if (trace.asked[bee][l] != trace.asked[5 + bee][l]) ++changed;
    }
    EXPECT_LE(changed, 2) << bee;
  }
}

TEST(Abc, KeepsTheBest) {
  const auto search = make_search(problem_of_test());
  EXPECT_THROW((void)search->best(), Error);
  const Trace trace = run(*search);
  const auto best = std::ranges::max_element(trace.fitness) - trace.fitness.begin();
  EXPECT_EQ(search->best(), trace.asked[static_cast<std::size_t>(best)]);
  EXPECT_EQ(search->best_fitness(), trace.fitness[static_cast<std::size_t>(best)]);
  EXPECT_GT(search->best_fitness(), *std::max_element(trace.fitness.begin(), trace.fitness.begin() + 5))
      << "eight cycles found nothing better than the first draw";
  EXPECT_THROW((void)search->ask(), Error);
  EXPECT_THROW(search->tell(1), Error);
}

TEST(Abc, ScoutsLeaveSourcesThatDoNotImprove) {
  // Nothing is fitter than the first draw, and every onlooker flies: a source has two trials a cycle, and
  // from the second cycle on one of them has the three that it takes. What is drawn anew differs from
  // everything before in more than the two layers of a move.
  SearchProblem problem = problem_of_test();
  problem.layers = 40;
  const auto search = make_search(problem);
  std::vector<std::vector<double>> asked;
  while (!search->finished()) {
    asked.push_back(search->ask());
    search->tell(asked.size() <= 5 ? 0.5 : 0.25);
  }
  std::int64_t scouts = 0;
  for (std::size_t i = 5; i < asked.size(); ++i) {
    std::size_t nearest = 40;
    for (std::size_t before = 0; before < i; ++before) {
      std::size_t changed = 0;
      for (std::size_t l = 0; l < 40; ++l) changed += asked[i][l] != asked[before][l] ? 1 : 0;
      nearest = std::min(nearest, changed);
    }
    if (nearest > 4) ++scouts;
  }
  EXPECT_GE(scouts, 4);
  EXPECT_LE(scouts, 8);  // one a cycle
}

TEST(Abc, ResumesAfterEveryCandidate) {
  const auto whole = make_search(problem_of_test());
  const Trace trace = run(*whole);
  for (std::size_t n = 0; n < trace.asked.size(); ++n) {
    const auto first = make_search(problem_of_test());
    for (std::size_t i = 0; i < n; ++i) first->tell(trace.fitness[i]);
    StateTree tree;
    first->save(StateWriter(tree));
    const auto second = make_search(problem_of_test());
    second->restore(StateReader(tree));
    const Trace rest = run(*second);
    ASSERT_TRUE(std::ranges::equal(rest.asked, std::span(trace.asked).subspan(n))) << n;
    EXPECT_EQ(second->best(), whole->best());
  }
}

TEST(Abc, SeedsAndRoundsDiffer) {
  SearchProblem other = problem_of_test();
  other.seed = 12;
  EXPECT_NE(make_search(other)->ask(), make_search(problem_of_test())->ask());
  other = problem_of_test();
  other.round = 3;
  EXPECT_NE(make_search(other)->ask(), make_search(problem_of_test())->ask());
}

TEST(Search, RefusesImpossibleProblems) {
  const auto refused = [](auto change) {
    SearchProblem problem = problem_of_test();
    change(problem);
    EXPECT_THROW((void)make_search(problem), Error);
  };
  refused([](SearchProblem& p) { p.options.name = "ants"; });
  refused([](SearchProblem& p) { p.options.sources = 1; });
  refused([](SearchProblem& p) { p.options.levels = 11; });
  refused([](SearchProblem& p) { p.layers = 0; });
  EXPECT_THROW(make_search(problem_of_test())->tell(std::nan("")), Error);
  EXPECT_EQ(make_search({.layers = 1}), nullptr);
}

}  // namespace
}  // namespace secateur
