// Removal, on the reference device: removed equals masked, whatever the plan and the network.
#include "secateur/prune/surgeon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "secateur/core/error.h"
#include "secateur/core/rng.h"
#include "selftest/network_run.h"
#include "selftest/prune_graphs.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::disturb;
using selftest::WholeModel;

struct Network {
  const char* name;
  Graph (*build)();
};
const std::vector<Network> kNetworks{{"vgg", [] { return selftest::small_vgg(6, 0.5); }},
                                     {"resnet", [] { return selftest::small_resnet(); }},
                                     {"option_a", selftest::option_a_resnet},
                                     {"concat", selftest::concat_network},
                                     {"grouped", selftest::grouped_network},
                                     {"flat", selftest::flat_network}};

// A removal drawn at random: every space that is not pinned keeps `least` channels a group or more, or one
// and no more.
KeptMembers random_removal(const ChannelSpaces& spaces, std::uint32_t draw, bool one_left,
                           std::int64_t least = 1) {
  KeptMembers kept = spaces.keep_all();
  for (std::size_t s = 0; s < kept.size(); ++s) {
    const ChannelSpace& space = spaces.spaces()[s];
    if (space.pinned) continue;
    RandomSequence random(11, RngPurpose::test, draw, static_cast<std::uint32_t>(s));
    const std::int64_t run = space.width / space.groups;
    const std::int64_t low = std::min(least, run);
    const std::int64_t keep = one_left ? 1 : low + random.below(static_cast<std::uint32_t>(run - low + 1));
    kept[s].clear();
    for (std::int64_t g = 0; g < space.groups; ++g) {
      std::vector<std::int64_t> members = random.permutation(run);
      members.resize(static_cast<std::size_t>(keep));
      std::ranges::sort(members);
      for (const std::int64_t m : members) kept[s].push_back(g * run + m);
    }
  }
  return kept;
}

// The part of a parameter of the whole network that the smaller one has, found lane by lane.
std::vector<double> part_of(const std::vector<double>& whole, const Parameter& p, const Graph& graph,
                            const ChannelSpaces& spaces, const KeptMembers& kept) {
  const Shape& shape = p.spec.shape;
  const auto kept_output = spaces.kept_lanes(p.node, kept);
  const NodeId input = graph.node(p.node).inputs.at(0);
  const auto kept_input = spaces.kept_lanes(input, kept);
  const std::int64_t columns = shape.rank() > 1 ? shape.last() : 1;
  const std::int64_t middle = shape.count() / shape[0] / columns;
  const std::int64_t rows_a_group = shape[0] / p.spec.groups;
  std::vector<double> result;
  for (const std::int64_t row : kept_output) {
    for (std::int64_t m = 0; m < middle; ++m) {
      if (shape.rank() == 1) {
        result.push_back(whole[static_cast<std::size_t>(row)]);
        continue;
      }
      const std::int64_t offset =
          p.spec.axes.back() == AxisRole::grouped_input ? row / rows_a_group * columns : 0;
      for (const std::int64_t lane : kept_input) {
        if (lane < offset || lane >= offset + columns) continue;
        result.push_back(whole[static_cast<std::size_t>((row * middle + m) * columns + lane - offset)]);
      }
    }
  }
  return result;
}

std::vector<double> host(const Tensor& tensor, Stream& stream) { return read_values(tensor, stream); }

struct StepResult {
  std::vector<double> logits, losses;
  std::vector<std::vector<double>> gradients,
      values;  // one a parameter; values after the step (running statistics)
};

StepResult run(WholeModel& whole, ProgramMode mode) {
  constexpr std::int64_t kBatch = 5;
  selftest::NoiseSource source(whole.model.graph().shape(0), 4, 32, 9);
  Program program(whole.model, whole.arena, *whole.stream,
                  {.batch = kBatch, .mode = mode, .precision = whole.precision, .with_loss = true});
  source.begin_epoch(0);
  source.fill(0, kBatch, *whole.stream, program.images(), program.labels());
  const StepState state{.seed = 5, .step = 3};
  program.forward(state);
  StepResult result{host(program.logits(), *whole.stream), host(program.losses(), *whole.stream), {}, {}};
  if (mode == ProgramMode::train) program.backward(state);
  for (std::int64_t p = 0; p < static_cast<std::int64_t>(whole.model.parameters().size()); ++p) {
    const Tensor gradient = whole.model.gradient(p);
    result.gradients.push_back(gradient.empty() || mode != ProgramMode::train
                                   ? std::vector<double>{}
                                   : host(gradient, *whole.stream));
    result.values.push_back(whole.model.read(p, *whole.stream));
  }
  return result;
}

void expect_close(const std::vector<double>& found, const std::vector<double>& expected,
                  const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  EXPECT_LT(selftest::relative_error(found, expected), 1e-10) << what;
}

class Removal : public testing::TestWithParam<Network> {};

TEST_P(Removal, EqualsMasking) {
  for (std::uint32_t draw = 0; draw < 6; ++draw) {
    for (const ProgramMode mode : {ProgramMode::infer, ProgramMode::train}) {
      WholeModel masked(GetParam().build(), DeviceKind::reference);
      WholeModel removed(GetParam().build(), DeviceKind::reference);
      disturb(masked);
      disturb(removed);
      const Graph graph = masked.model.graph();
      const ChannelSpaces spaces(graph);
      const KeptMembers kept = random_removal(spaces, draw, draw == 0);
      const PruningPlan plan = PruningPlan::from_members(spaces, kept);
      apply_mask(masked.model, plan, *masked.stream);
      apply_plan(removed.model, plan, *removed.stream);
      EXPECT_EQ(removed.model.graph(), pruned_graph(graph, spaces, kept));

      const StepResult whole = run(masked, mode);
      const StepResult small = run(removed, mode);
      const std::string where = fmt::format("draw {} mode {}", draw, static_cast<int>(mode));
      expect_close(small.logits, whole.logits, where + " logits");
      expect_close(small.losses, whole.losses, where + " losses");
      for (std::size_t p = 0; p < masked.model.parameters().size(); ++p) {
        const Parameter& parameter = masked.model.parameters()[p];
        ASSERT_EQ(parameter.name, removed.model.parameters()[p].name);
        expect_close(small.values[p], part_of(whole.values[p], parameter, graph, spaces, kept),
                     where + " " + parameter.name);
        if (whole.gradients[p].empty()) continue;
        expect_close(small.gradients[p], part_of(whole.gradients[p], parameter, graph, spaces, kept),
                     where + " gradient of " + parameter.name);
      }
    }
  }
}

TEST_P(Removal, ValuesAndMomentumFollow) {
  for (std::uint32_t draw = 0; draw < 4; ++draw) {
    WholeModel whole(GetParam().build(), DeviceKind::reference);
    whole.model.keep_averages(*whole.stream);
    disturb(whole);  // of the values, not of the averages
    const Graph graph = whole.model.graph();
    const ChannelSpaces spaces(graph);
    const KeptMembers kept = random_removal(spaces, 100 + draw, false);
    std::vector<std::vector<double>> values;
    std::vector<std::vector<double>> momenta;
    std::vector<std::vector<double>> averages;
    const std::vector<Parameter> parameters(whole.model.parameters().begin(), whole.model.parameters().end());
    for (std::int64_t p = 0; p < static_cast<std::int64_t>(parameters.size()); ++p) {
      values.push_back(whole.model.read(p, *whole.stream));
      const Tensor momentum = whole.model.momentum(p);
      momenta.push_back(momentum.empty() ? std::vector<double>{} : host(momentum, *whole.stream));
      averages.push_back(host(whole.model.average(p), *whole.stream));
    }
    EXPECT_NE(averages, values);
    apply_plan(whole.model, PruningPlan::from_members(spaces, kept), *whole.stream);
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      const auto index = static_cast<std::int64_t>(p);
      EXPECT_EQ(whole.model.read(index, *whole.stream),
                part_of(values[p], parameters[p], graph, spaces, kept))
          << parameters[p].name;
      EXPECT_EQ(host(whole.model.average(index), *whole.stream),
                part_of(averages[p], parameters[p], graph, spaces, kept))
          << "average of " << parameters[p].name;
      if (momenta[p].empty()) continue;
      EXPECT_EQ(host(whole.model.momentum(index), *whole.stream),
                part_of(momenta[p], parameters[p], graph, spaces, kept))
          << "momentum of " << parameters[p].name;
    }
  }
}

TEST_P(Removal, OfNothingIsTheIdentity) {
  WholeModel whole(GetParam().build(), DeviceKind::reference);
  disturb(whole);
  const std::int64_t generation = whole.model.generation();
  StateTree before;
  whole.model.save(StateWriter(before), *whole.stream);
  const ChannelSpaces spaces(whole.model.graph());
  const PruningPlan nothing = PruningPlan::from_members(spaces, spaces.keep_all());
  EXPECT_TRUE(nothing.empty());
  apply_plan(whole.model, nothing, *whole.stream);
  EXPECT_EQ(whole.model.generation(), generation);
  StateTree after;
  whole.model.save(StateWriter(after), *whole.stream);
  EXPECT_EQ(before, after);
}

TEST_P(Removal, TwoRemovalsEqualTheirUnion) {
  for (std::uint32_t draw = 0; draw < 4; ++draw) {
    WholeModel once(GetParam().build(), DeviceKind::reference);
    WholeModel twice(GetParam().build(), DeviceKind::reference);
    disturb(once);
    disturb(twice);
    const ChannelSpaces spaces(once.model.graph());
    // One channel a group left on both sides makes a grouped convolution depthwise, and one channel makes a
    // depthwise convolution dense: then the spaces of the smaller network are others, and the union cannot be
    // written down.
    const KeptMembers first = random_removal(spaces, 200 + draw, false, 2);
    apply_plan(twice.model, PruningPlan::from_members(spaces, first), *twice.stream);
    const ChannelSpaces smaller(twice.model.graph());
    const KeptMembers second = random_removal(smaller, 300 + draw, false);
    apply_plan(twice.model, PruningPlan::from_members(smaller, second), *twice.stream);

    KeptMembers both = first;
    for (std::size_t s = 0; s < both.size(); ++s) {
      both[s].clear();
      for (const std::int64_t member : second[s])
        both[s].push_back(first[s][static_cast<std::size_t>(member)]);
    }
    apply_plan(once.model, PruningPlan::from_members(spaces, both), *once.stream);
    StateTree a;
    StateTree b;
    once.model.save(StateWriter(a), *once.stream);
    twice.model.save(StateWriter(b), *twice.stream);
    EXPECT_EQ(a, b) << "draw " << draw;
  }
}

TEST_P(Removal, LeavesTheBytesOfTheSmallerNetwork) {
  WholeModel whole(GetParam().build(), DeviceKind::reference);
  const ChannelSpaces spaces(whole.model.graph());
  const PruningPlan plan = PruningPlan::from_members(spaces, random_removal(spaces, 1, true));
  const std::int64_t before = whole.device->allocated_bytes();
  const SurgeryEstimate expected = estimate_surgery(whole.model, plan);
  EXPECT_EQ(expected.bytes_before, before);
  const SurgeryEstimate done = apply_plan(whole.model, plan, *whole.stream);
  const auto device = make_host_device(DeviceKind::reference);
  const Model fresh(whole.model.graph(), *device);
  EXPECT_EQ(whole.device->allocated_bytes(), device->allocated_bytes());
  EXPECT_EQ(done.bytes_after, device->allocated_bytes());
  EXPECT_EQ(whole.device->peak_bytes(), done.peak_bytes);
}

TEST_P(Removal, LeavesTheBytesOfTheSmallerNetworkWithItsAverages) {
  WholeModel whole(GetParam().build(), DeviceKind::reference);
  whole.model.keep_averages(*whole.stream);
  const ChannelSpaces spaces(whole.model.graph());
  const PruningPlan plan = PruningPlan::from_members(spaces, random_removal(spaces, 1, true));
  const SurgeryEstimate done = apply_plan(whole.model, plan, *whole.stream);
  EXPECT_EQ(whole.device->allocated_bytes(), done.bytes_after);
  EXPECT_EQ(done.bytes_after, whole.model.layout().bytes(DType::f64, true));
}

INSTANTIATE_TEST_SUITE_P(Networks, Removal, testing::ValuesIn(kNetworks),
                         [](const auto& test) { return std::string(test.param.name); });

// Memory that runs out after a number of allocations.
class FailingAllocator final : public Allocator {
 public:
  void* allocate(std::int64_t bytes) override {
    if (left_ == 0) throw Error("no memory left (made to fail)");
    if (left_ > 0) --left_;
    return std::aligned_alloc(Device::kAlignment,
                              static_cast<std::size_t>(align_up(bytes, Device::kAlignment)));
  }
  void release(void* memory, std::int64_t /*bytes*/) noexcept override { std::free(memory); }
  void fail_after(std::int64_t allocations) { left_ = allocations; }

 private:
  std::int64_t left_ = -1;  // without limit
};

TEST(RemovalFailure, LeavesTheOldModelWhole) {
  const auto allocator = std::make_shared<FailingAllocator>();
  const auto device = make_host_device(DeviceKind::reference, allocator);
  const auto stream = device->make_stream();
  Model model(selftest::small_resnet(), *device);
  model.initialize(3, *stream);
  StateTree before;
  model.save(StateWriter(before), *stream);
  const std::int64_t generation = model.generation();
  const std::int64_t bytes = device->allocated_bytes();
  const ChannelSpaces spaces(model.graph());
  const PruningPlan plan = PruningPlan::from_members(spaces, random_removal(spaces, 1, true));

  const std::int64_t allocations = device->allocations();
  bool done = false;
  for (std::int64_t n = 0; !done && n < 20; ++n) {
    allocator->fail_after(n);
    try {
      apply_plan(model, plan, *stream);
      done = true;
    } catch (const Error&) {
      StateTree after;
      model.save(StateWriter(after), *stream);
      EXPECT_EQ(before, after) << "after " << n << " allocations";
      EXPECT_EQ(model.generation(), generation);
      EXPECT_EQ(device->allocated_bytes(), bytes);
    }
  }
  EXPECT_TRUE(done);
  EXPECT_GT(device->allocations(), allocations) << "a removal that allocates nothing was not tested";
  EXPECT_EQ(model.generation(), generation + 1);
}

TEST(RemovalFailure, APlanForAnotherNetworkIsRefused) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::reference);
  const auto refuse = [&](const KeepChannels& edit) {
    EXPECT_THROW(apply_plan(whole.model, PruningPlan{{edit}}, *whole.stream), Error);
  };
  refuse({"conv3", 6, {0}});     // no such layer
  refuse({"conv1", 7, {0}});     // another width
  refuse({"conv1", 6, {}});      // nothing left
  refuse({"conv1", 6, {2, 1}});  // not ascending
  refuse({"conv1", 6, {0, 6}});  // past the end
  refuse({"fc", 4, {0, 1}});     // class scores
  EXPECT_EQ(whole.model.graph(), selftest::small_vgg());
}

TEST(RemovalOrigin, OriginsAreTheIndicesOfTheUnprunedNetwork) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::reference);
  apply_plan(whole.model, {{{"conv1", 6, {1, 2, 4, 5}}}}, *whole.stream);
  apply_plan(whole.model, {{{"conv1", 4, {0, 2}}}}, *whole.stream);
  const Graph& graph = whole.model.graph();
  const Node& conv = graph.node(graph.find("conv1"));
  EXPECT_EQ(conv.attributes.integers("origin"), (std::vector<std::int64_t>{1, 4}));
  EXPECT_EQ(conv.attributes.integer("original_channels"), 6);
}

TEST(PruningPlan, StateSurvives) {
  const PruningPlan plan{{{"conv1", 6, {1, 2}}, {"conv2", 9, {0, 3, 8}}}};
  StateTree tree;
  plan.save(StateWriter(tree).scope("plan"));
  EXPECT_EQ(PruningPlan::load(StateReader(tree).scope("plan")), plan);
  EXPECT_EQ(plan.removed_channels(), 10);
}

}  // namespace
}  // namespace secateur
