// Plans of convolutions across prunings and across runs, on a GPU that is only described: how many are made,
// and that a choice that was kept gives the same plan.
#ifdef SECATEUR_WITH_CUDA

#include "secateur/backend/conv_choices.h"

#include <gtest/gtest.h>

#include <set>

#include "secateur/backend/conv_plan.h"
#include "secateur/backend/gpu_description.h"
#include "secateur/core/error.h"
#include "secateur/models/models.h"
#include "secateur/prune/pruning_plan.h"
#include "secateur/runtime/network_plan.h"

namespace secateur {
namespace {

// The problems of a training step's convolutions.
std::set<ConvProblem> problems_of(const Graph& graph, const GpuDescription& gpu) {
  std::set<ConvProblem> problems;
  const NetworkPlanOptions options{.batch = 32, .precision = Precision::fp32, .deterministic = true};
  const NetworkPlan plan = plan_network(graph, gpu, options, [](const ConvProblem&) { return PassEngine{}; });
  for (const LayerPlan& layer : plan.layers) {
    for (const PassPlan& pass : layer.passes) problems.insert(pass.problem);
  }
  return problems;
}

Graph with_narrower(const Graph& graph, std::string_view producer, std::int64_t width) {
  const ChannelSpaces spaces(graph);
  std::vector<std::int64_t> widths;
  for (const ChannelSpace& space : spaces.spaces()) widths.push_back(space.width);
  widths[static_cast<std::size_t>(spaces.space_of_producer(graph.find(producer)))] = width;
  return graph_with_widths(graph, spaces, widths);
}

class CudaConvChoices : public testing::Test {
 protected:
  GpuDescription gpu_ = find_gpu("h200");
  Graph graph_ = models::build("resnet8");
  std::set<ConvProblem> before_ = problems_of(graph_, gpu_);
};

// An inner convolution of the second stage is cut: it and the one that reads it have three passes each, and
// nothing else is planned.
TEST_F(CudaConvChoices, APruningPlansWhatItChangedAlone) {
  ConvPlanCache cache(gpu_);
  for (const ConvProblem& problem : before_) static_cast<void>(cache.find(problem));
  const std::int64_t made = cache.made();
  EXPECT_EQ(made, std::ssize(before_));
  for (const ConvProblem& problem : problems_of(with_narrower(graph_, "layer2.0.conv1", 24), gpu_)) {
    static_cast<void>(cache.find(problem));
  }
  EXPECT_EQ(cache.made() - made, 6);
}

TEST_F(CudaConvChoices, ALaterRunBuildsTheSamePlansWithoutAsking) {
  ConvPlanCache first(gpu_);
  for (const ConvProblem& problem : before_) static_cast<void>(first.find(problem));
  EXPECT_EQ(first.recalled(), 0);
  ConvPlanCache second(gpu_);
  second.recall(ConvChoices::parse(first.choices().to_json(), "file"));
  for (const ConvProblem& problem : before_) {
    EXPECT_EQ(second.find(problem)->engine(), first.find(problem)->engine()) << problem.to_string();
    EXPECT_EQ(second.find(problem)->workspace(), first.find(problem)->workspace()) << problem.to_string();
    EXPECT_EQ(second.find(problem)->rank(), first.find(problem)->rank());
  }
  EXPECT_EQ(second.recalled(), std::ssize(before_));
  EXPECT_EQ(second.choices(), first.choices());
}

TEST_F(CudaConvChoices, WhatCudnnDoesNotTakeIsChosenAnew) {
  ConvPlanCache first(gpu_);
  const ConvProblem& problem = *before_.begin();
  const auto plan = first.find(problem);
  for (const std::int64_t engine : {std::int64_t{99999}, std::int64_t{0}}) {
    ConvChoice wrong = plan->choice();
    wrong.engine = engine;
    wrong.knobs = {{77, -5}};
    ConvChoices choices = first.choices();
    choices.set(problem, wrong);
    ConvPlanCache second(gpu_);
    second.recall(choices);
    EXPECT_EQ(second.find(problem)->engine(), plan->engine());
    EXPECT_EQ(second.recalled(), 0);
  }
}

TEST_F(CudaConvChoices, AnotherGpusAreRefused) {
  ConvPlanCache other(find_gpu("a100"));
  try {
    other.recall(ConvPlanCache(gpu_).choices());
    FAIL() << "choices of another GPU were taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("H200"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace secateur

#endif
