// What pruning does on a device: scoring, removal, and a run of the whole loop.
#include <algorithm>

#include "secateur/core/error.h"
#include "secateur/core/rng.h"
#include "secateur/graph/cost.h"
#include "secateur/prune/model_backend.h"
#include "secateur/prune/pruning_loop.h"
#include "secateur/prune/scope.h"
#include "secateur/prune/scorer.h"
#include "secateur/prune/surgeon.h"
#include "selftest/check.h"
#include "selftest/network_run.h"
#include "selftest/prune_graphs.h"
#include "selftest/small_networks.h"

namespace secateur::selftest {
namespace {

struct Network {
  const char* name;
  Graph (*build)();
};
constexpr Network kNetworks[] = {{"small_vgg", [] { return small_vgg(6, 0.5); }},
                                 {"small_resnet", [] { return small_resnet(); }},
                                 {"option_a_resnet", option_a_resnet},
                                 {"concat_network", concat_network},
                                 {"grouped_network", grouped_network},
                                 {"flat_network", flat_network}};

// Keeps about half of every space, by seed; each group keeps as many.
KeptMembers half(const ChannelSpaces& spaces) {
  KeptMembers kept = spaces.keep_all();
  for (std::size_t s = 0; s < kept.size(); ++s) {
    const ChannelSpace& space = spaces.spaces()[s];
    if (space.pinned) continue;
    RandomSequence random(13, RngPurpose::test, static_cast<std::uint32_t>(s));
    const std::int64_t run = space.width / space.groups;
    kept[s].clear();
    for (std::int64_t g = 0; g < space.groups; ++g) {
      std::vector<std::int64_t> members = random.permutation(run);
      members.resize(static_cast<std::size_t>((run + 1) / 2));
      std::ranges::sort(members);
      for (const std::int64_t member : members) kept[s].push_back(g * run + member);
    }
  }
  return kept;
}

// The same removal on both: what stays is moved and not computed, so that it is equal to the last bit of
// float32; what the smaller network computes is equal within the precision; memory shrinks to the smaller
// plan.
Comparison check_removal(const Network& network, DeviceKind device, Precision precision) {
  WholeModel whole(network.build(), device, precision, 7);
  WholeModel reference(network.build(), DeviceKind::reference);
  Comparison comparison;
  for (WholeModel* each : {&whole, &reference}) {
    disturb(*each);
    each->arena.clear();
    const ChannelSpaces spaces(each->model.graph());
    apply_plan(each->model, PruningPlan::from_members(spaces, half(spaces)), *each->stream);
  }
  const DType type = whole.model.dtype();
  const auto as_stored = [&](std::vector<double> values) {
    for (double& value : values) value = rounded_to(type, value);
    return values;
  };
  for (std::size_t i = 0; i < whole.model.parameters().size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const std::string& name = whole.model.parameters()[i].name;
    comparison.require(
        whole.model.read(index, *whole.stream) == as_stored(reference.model.read(index, *reference.stream)),
        fmt::format("{} is not what was there before", name));
    if (whole.model.momentum(index).empty()) continue;
    comparison.require(read_values(whole.model.momentum(index), *whole.stream) ==
                           as_stored(read_values(reference.model.momentum(index), *reference.stream)),
                       fmt::format("the momentum of {} is not what was there before", name));
  }
  const StepResult got = run_training_step(whole, {}, 5);
  const StepResult expected = run_training_step(reference, {}, 5);
  comparison.add(got.logits, expected.logits, network_bound(precision), "logits of the smaller network");
  comparison.add(got.gradients, expected.gradients, gradient_bound(precision),
                 "gradient of trained parameter");
  return comparison;
}

// Everything that criteria read.
Comparison check_scores(const Network& network, DeviceKind device, Precision precision,
                        CorrelationKind kind) {
  const auto measure = [&](WholeModel& whole) {
    disturb(whole);
    NoiseSource source(whole.model.graph().shape(0), 4, 64, 3);
    Scorer scorer(whole.model, whole.arena, *whole.stream,
                  {.images = 7, .batch = 3, .precision = whole.precision, .redundancy = kind});
    const CriterionNeeds needs{.filter_norms = true,
                               .redundancy = true,
                               .norm_scales = true,
                               .gradients = true,
                               .filters = true,
                               .activations = true};
    const ChannelSpaces spaces(whole.model.graph());
    return scorer.measure(prunable_spaces(whole.model.graph(), spaces, PruneScope::all, {}), needs, false,
                          source, 0);
  };
  WholeModel whole(network.build(), device, precision, 7);
  WholeModel reference(network.build(), DeviceKind::reference);
  const auto got = measure(whole);
  const auto expected = measure(reference);
  Comparison comparison;
  comparison.require(got.size() == expected.size(), "another number of spaces");
  const double bound = network_bound(precision);
  for (std::size_t s = 0; s < std::min(got.size(), expected.size()); ++s) {
    const std::string& name = expected[s].name;
    for (std::size_t p = 0; p < expected[s].producers.size(); ++p) {
      comparison.add(got[s].producers[p].l1, expected[s].producers[p].l1, 1e-6, name + ": L1 norms");
      comparison.add(got[s].producers[p].l2, expected[s].producers[p].l2, 1e-6, name + ": L2 norms");
    }
    comparison.add(got[s].norm_scales, expected[s].norm_scales, 1e-6, name + ": batch-norm scales");
    comparison.add(got[s].redundancy, expected[s].redundancy, bound, name + ": redundancy");
    comparison.add(got[s].taylor, expected[s].taylor, gradient_bound(precision), name + ": Taylor scores");
    comparison.add(got[s].mean_activation, expected[s].mean_activation, bound, name + ": mean activations");
  }
  return comparison;
}

class Silent final : public EventSink {
 public:
  void write(std::string_view /*event*/, const LogFields& /*fields*/) override {}
};

// Three rounds of the method on a small network: it ends at half the multiply-adds, with memory given back.
Comparison check_loop(DeviceKind device, Precision precision) {
  WholeModel whole(small_resnet(12), device, precision, 7);
  const MapShape image = whole.model.graph().shape(0);
  NoiseSource training(image, 4, 70, 1);
  NoiseSource steering(image, 4, 40, 1);
  NoiseSource sample(image, 4, 70, 1);
  TrainerOptions trainer_options;
  trainer_options.batch = 16;
  trainer_options.precision = precision;
  Trainer trainer(whole.model, whole.arena, *whole.stream, training, trainer_options);
  Evaluator evaluator(whole.model, whole.arena, *whole.stream, 16, precision);
  TrainObserver observer;
  Silent events;
  PruneOptions options;
  options.rounds = 3;
  options.width.mode = WidthMode::target;
  options.budget = {BudgetMeasure::flops, 0.5};
  options.finetune_epochs = 1;
  options.sample_images = 24;
  options.sample_batch = 10;
  options.tau = 0.9;  // one epoch on noise must not set off the fallback by chance
  ModelPruningBackend backend(
      {whole.model, whole.arena, *whole.stream, trainer, evaluator, steering, sample, observer}, options);
  PruningLoop loop(options, backend, events);
  const std::int64_t parameters_before = whole.model.layout().bytes(whole.model.dtype());
  const LoopResult result = loop.run([] {});
  Comparison comparison;
  comparison.require(
      2 * result.cost.macs <= result.cost_start.macs,
      fmt::format("{} of {} multiply-adds are left", result.cost.macs, result.cost_start.macs));
  comparison.require(result.cost.macs == cost_of(whole.model.graph()).macs, "the cost is not the model's");
  const std::int64_t parameters = whole.model.layout().bytes(whole.model.dtype());
  comparison.require(parameters < parameters_before, "parameters take as much memory as before");
  whole.arena.clear();
  comparison.require(whole.device->allocated_bytes() >= parameters,
                     "the device counts less than the model holds");
  return comparison;
}

}  // namespace

std::vector<Check> pruning_checks(DeviceKind device) {
  std::vector<Check> checks;
  const auto add = [&](const std::string& name, Precision precision, std::function<Comparison()> run) {
    checks.push_back({.part = "pruning", .name = name, .precision = precision, .run = std::move(run)});
  };
  for (const Precision precision : precisions_of(device)) {
    for (const Network& network : kNetworks) {
      add(fmt::format("{}_removal", network.name), precision,
          [=] { return check_removal(network, device, precision); });
      add(fmt::format("{}_scores", network.name), precision,
          [=] { return check_scores(network, device, precision, CorrelationKind::signed_mean); });
    }
    for (const CorrelationKind kind : {CorrelationKind::absolute_mean, CorrelationKind::squared_mean}) {
      add(kind == CorrelationKind::absolute_mean ? "absolute_correlation" : "squared_correlation", precision,
          [=] { return check_scores(kNetworks[1], device, precision, kind); });
    }
    add("loop", precision, [=] { return check_loop(device, precision); });
  }
  return checks;
}

}  // namespace secateur::selftest
