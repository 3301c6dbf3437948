// The training hook hbfp: its terms against differences of the sum that they are the gradient of, and what
// they do to the pairs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pruning_run.h"
#include "secateur/prune/train_hooks.h"

namespace secateur {
namespace {

using test::options_of_test;
using test::PruningRun;

constexpr double kStrength = 0.01;

PruneOptions hbfp_options() {
  PruneOptions options = options_of_test();
  options.train_hook = "hbfp";
  options.sparsity = kStrength;
  options.rate = 0.5;
  return options;
}

// conv1 (6) - bn - conv2 (4) - bn - linear: pairs within conv1 and within conv2.
Graph two_convolutions() {
  selftest::GraphBuilder b;
  b.head(b.conv_bn_relu("conv2", b.conv_bn_relu("conv1", b.x, 6, 3), 4, 3));
  return std::move(b.graph);
}

std::vector<double> norms_of(const std::vector<double>& weights, std::size_t filters) {
  std::vector<double> norms(filters, 0.0);
  const std::size_t size = weights.size() / filters;
  for (std::size_t i = 0; i < weights.size(); ++i) norms[i / size] += std::abs(weights[i]);
  return norms;
}

// The sum over the `count` pairs of the nearest norms, from the norms alone.
double sum_of_nearest(const std::vector<double>& norms, std::size_t count) {
  std::vector<double> distances;
  for (std::size_t a = 0; a < norms.size(); ++a) {
    for (std::size_t b = a + 1; b < norms.size(); ++b) distances.push_back(std::abs(norms[a] - norms[b]));
  }
  std::ranges::sort(distances);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += distances[i];
  return sum;
}

TEST(HbfpHook, ItsTermsAreTheGradientOfTheSumOverThePairs) {
  PruningRun run(hbfp_options(), two_convolutions(), DeviceKind::reference);
  const auto hook = make_train_hook(hbfp_options());
  ASSERT_TRUE(hook->edits_every_step());
  hook->begin_epoch(run.whole.model, {}, *run.whole.stream);
  hook->begin_step(run.whole.model, *run.whole.stream);
  UpdateTerms terms;
  for (const Parameter& p : run.whole.model.parameters()) {
    if (is_trained(p.spec.kind)) terms.segments.push_back({p.offset, p.spec.shape.count(), 5e-4, 0.125});
  }
  const UpdateTerms plain = terms;
  hook->edit(terms, run.whole.model);
  const auto l1_at = [](const UpdateTerms& of, std::int64_t element) {
    for (const UpdateSegment& s : of.segments) {
      if (element >= s.offset && element < s.offset + s.count) return s.l1;
    }
    ADD_FAILURE() << "element " << element << " is in no segment";
    return 0.0;
  };
  std::int64_t moved = 0;
  for (const auto& [name, filters] : {std::pair<std::string, std::size_t>{"conv1", 6}, {"conv2", 4}}) {
    const std::int64_t p = run.whole.model.find_parameter(name + ".weight");
    const std::int64_t offset = run.whole.model.parameters()[static_cast<std::size_t>(p)].offset;
    std::vector<double> weights = run.whole.model.read(p, *run.whole.stream);
    for (std::size_t i = 0; i < weights.size(); i += 5) {
      const double kept = weights[i];
      const auto sum_at = [&, count = filters](double value) {
        weights[i] = value;
        const double sum = sum_of_nearest(norms_of(weights, count), count / 2);
        weights[i] = kept;
        return sum;
      };
      constexpr double kStep = 1e-6;
      const double slope = (sum_at(kept + kStep) - sum_at(kept - kStep)) / (2 * kStep);
      const double l1 = l1_at(terms, offset + static_cast<std::int64_t>(i)) - 0.125;
      EXPECT_NEAR(l1 * (kept > 0 ? 1 : -1), kStrength * slope, 1e-8) << name << " " << i;
      moved += l1 != 0 ? 1 : 0;
    }
  }
  EXPECT_GT(moved, 50);
  // Nothing else is touched, and every element is still covered once.
  for (const char* name : {"conv1.bn.scale", "fc.weight", "fc.bias"}) {
    const Parameter& p =
        run.whole.model.parameters()[static_cast<std::size_t>(run.whole.model.find_parameter(name))];
    EXPECT_EQ(l1_at(terms, p.offset), 0.125) << name;
  }
  const auto covered = [](const UpdateTerms& of) {
    std::int64_t count = 0;
    for (const UpdateSegment& s : of.segments) {
      count += s.count;
      EXPECT_EQ(s.weight_decay, 5e-4);
    }
    return count;
  };
  EXPECT_EQ(covered(terms), covered(plain));
}

// Trained with it, the pairs of all layers are nearer than without.
TEST(HbfpHook, DrawsThePairsTogether) {
  const auto distance_after = [](const std::string& hook) {
    PruneOptions options = hbfp_options();
    options.train_hook = hook;
    PruningRun run(options, two_convolutions());
    const auto made = make_train_hook(options);
    const LrPhase phase{.factor = find_lr_schedule("constant"), .base_rate = 0.05};
    for (std::int64_t e = 0; e < 8; ++e) {
      if (made != nullptr) {
        (void)run.trainer.run_epoch(phase, e, run.observer, *made, {.round = 1, .epoch = e, .epochs = 8});
      } else {
        (void)run.trainer.run_epoch(phase, e, run.observer);
      }
    }
    double sum = 0;
    for (const auto& [name, filters] : {std::pair<std::string, std::size_t>{"conv1", 6}, {"conv2", 4}}) {
      const std::int64_t p = run.whole.model.find_parameter(name + ".weight");
      sum += sum_of_nearest(norms_of(run.whole.model.read(p, *run.whole.stream), filters), filters / 2);
    }
    return sum;
  };
  EXPECT_LT(distance_after("hbfp"), 0.5 * distance_after("none"));
}

TEST(HbfpHook, RunsOnTrunksGroupsAndConcatenations) {
  for (auto* graph : {selftest::option_a_resnet, selftest::concat_network, selftest::grouped_network}) {
    PruneOptions options = hbfp_options();
    options.rounds = 2;
    options.criterion = "hbfp";
    PruningRun run(options, graph());
    run.loop.run([] {});
    EXPECT_EQ(run.events.counts["removal"], 2);
  }
}

}  // namespace
}  // namespace secateur
