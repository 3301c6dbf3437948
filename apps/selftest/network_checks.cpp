// Whole networks: a step of training against the reference, the same step twice, and training that learns.
#include "secateur/core/error.h"
#include "secateur/models/models.h"
#include "secateur/train/trainer.h"
#include "selftest/check.h"
#include "selftest/network_run.h"
#include "selftest/prune_graphs.h"
#include "selftest/small_networks.h"

namespace secateur::selftest {
namespace {

using Build = std::function<Graph()>;

struct Network {
  std::string name;
  Build build;
  std::int64_t batch = 6;
  bool slow = false;
};

std::vector<Network> networks() {
  const auto model = [](const char* name) { return [name] { return models::build(name, {}); }; };
  return {{"small_vgg", [] { return small_vgg(6, 0.4); }},
          {"small_resnet", [] { return small_resnet(); }},
          {"option_a_resnet", option_a_resnet},
          {"concat_network", concat_network},
          {"grouped_network", grouped_network},
          {"flat_network", flat_network},
          {"resnet20", model("resnet20"), 4, true},
          {"vgg16", model("vgg16"), 4, true}};
}

void compare(Comparison& comparison, const StepResult& got, const StepResult& reference, double bound,
             double bound_of_gradients) {
  comparison.add(got.logits, reference.logits, bound, "logits");
  comparison.add(got.losses, reference.losses, bound, "losses");
  comparison.add(got.gradients, reference.gradients, bound_of_gradients, "gradient of trained parameter");
  comparison.add(got.statistics, reference.statistics, bound, "running statistic");
}

std::vector<double> joined(const std::vector<std::vector<double>>& parts) {
  std::vector<double> all;
  for (const std::vector<double>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Comparison check_step(const Network& network, DeviceKind device, Precision precision) {
  WholeModel whole(network.build(), device, precision, 7);
  WholeModel reference(network.build(), DeviceKind::reference);
  disturb(whole);
  disturb(reference);
  Comparison comparison;
  const StepResult got = run_training_step(whole, {}, network.batch);
  const StepResult expected = run_training_step(reference, {}, network.batch);
  if (!network.slow) {
    compare(comparison, got, expected, network_bound(precision), gradient_bound(precision));
    return comparison;
  }
  const DeepGradientBounds bounds = deep_gradient_bounds(precision);
  compare(comparison, got, expected, network_bound(precision), bounds.each);
  comparison.add(joined(got.gradients), joined(expected.gradients), bounds.together,
                 "all gradients together");
  return comparison;
}

// Fused or not, padded or not, the same network computes the same; and twice the same is the same bits.
Comparison check_forms(const Network& network, DeviceKind device, Precision precision) {
  const auto run = [&](const ProgramOptions& options) {
    WholeModel whole(network.build(), device, precision, 7);
    disturb(whole);
    return run_training_step(whole, options, network.batch);
  };
  Comparison comparison;
  const StepResult plain = run({});
  const double bound = network_bound(precision);
  compare(comparison, run({.fuse = false}), plain, bound, gradient_bound(precision));
  compare(comparison, run({.fuse_convolutions = false}), plain, bound, gradient_bound(precision));
  compare(comparison, run({.channel_padding = 16}), plain, bound, gradient_bound(precision));
  const StepResult again = run({});
  comparison.require(again.logits == plain.logits && again.gradients == plain.gradients &&
                         again.statistics == plain.statistics,
                     "the same step twice gave different bits");
  return comparison;
}

// Thirty steps on noise around class means: the loss must fall, in fp16 under a loss scale that starts high.
Comparison check_training(DeviceKind device, Precision precision) {
  WholeModel whole(small_resnet(8), device, precision, 7);
  NoiseSource source(whole.model.graph().shape(0), 4, 80, 1, 2.0);
  TrainerOptions options;
  options.batch = 16;
  options.precision = precision;
  Trainer trainer(whole.model, whole.arena, *whole.stream, source, options);
  TrainObserver observer;
  const LrPhase phase{.factor = find_lr_schedule("constant"), .base_rate = 0.05, .epochs = 6};
  const double before = trainer.run_epoch(phase, 0, observer).loss;
  double after = before;
  for (std::int64_t epoch = 1; epoch < 6; ++epoch) after = trainer.run_epoch(phase, epoch, observer).loss;
  Comparison comparison;
  comparison.require(after < 0.6 * before, fmt::format("the loss went from {:.3f} to {:.3f}", before, after));
  return comparison;
}

// Three epochs with a tail and dropout, recorded and looked at step by step: the same bits.
Comparison check_recorded(DeviceKind device, Precision precision) {
  const auto train = [&](bool record) {
    WholeModel whole(small_vgg(6, 0.4), device, precision, 7);
    NoiseSource source(whole.model.graph().shape(0), 4, 40, 1, 2.0);
    TrainerOptions options;
    options.batch = 16;
    options.precision = precision;
    options.record = record;
    Trainer trainer(whole.model, whole.arena, *whole.stream, source, options);
    TrainObserver observer;
    const LrPhase phase{.factor = find_lr_schedule("cosine"), .base_rate = 0.05, .epochs = 3};
    std::vector<std::vector<double>> values;
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
      values.push_back({trainer.run_epoch(phase, epoch, observer).top1});
    }
    for (std::int64_t p = 0; p < std::ssize(whole.model.parameters()); ++p) {
      values.push_back(whole.model.read(p, *whole.stream));
    }
    return values;
  };
  Comparison comparison;
  comparison.require(train(true) == train(false), "recorded steps gave other bits than steps one by one");
  return comparison;
}

}  // namespace

std::vector<Check> network_checks(DeviceKind device) {
  std::vector<Check> checks;
  const auto add = [&](const std::string& name, Precision precision, bool slow,
                       std::function<Comparison()> run) {
    checks.push_back(
        {.part = "networks", .name = name, .precision = precision, .slow = slow, .run = std::move(run)});
  };
  for (const Precision precision : precisions_of(device)) {
    for (const Network& network : networks()) {
      add(network.name + "_step", precision, network.slow,
          [=] { return check_step(network, device, precision); });
      if (network.slow) continue;
      add(network.name + "_forms", precision, false, [=] { return check_forms(network, device, precision); });
    }
    add("training", precision, false, [=] { return check_training(device, precision); });
    if (device == DeviceKind::cuda) {
      add("recorded", precision, false, [=] { return check_recorded(device, precision); });
    }
  }
  return checks;
}

}  // namespace secateur::selftest
