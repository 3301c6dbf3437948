// A pruning run on a small network, with everything that a program would hold around a loop.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "secateur/prune/model_backend.h"
#include "secateur/prune/pruning_loop.h"
#include "selftest/prune_graphs.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur::test {

class EventCount final : public EventSink {
 public:
  void write(std::string_view event, const LogFields& /*fields*/) override { ++counts[std::string(event)]; }
  std::map<std::string, int> counts;
};

// Counts the steps of a whole run, and stops it after so many (-1: never).
class StepCount final : public TrainObserver {
 public:
  void on_step(const StepReport& /*report*/) override { ++steps; }
  bool stop_requested() override { return steps == stop_after; }

  std::int64_t steps = 0;
  std::int64_t stop_after = -1;
};

inline PruneOptions options_of_test() {
  PruneOptions options;
  options.rounds = 3;
  options.rate = 0.4;
  options.rate_policy = "depth";
  options.finetune_epochs = 1;
  options.sample_images = 24;
  options.sample_batch = 10;
  options.tau = 0.5;  // so that one epoch on noise does not trigger the fallback by chance
  return options;
}

inline TrainerOptions trainer_options(Precision precision, double average_decay, Communicator* communicator) {
  TrainerOptions options;
  options.average_decay = average_decay;
  options.batch = 16;
  options.precision = precision;
  options.communicator = communicator;
  return options;
}

struct PruningRun {
  selftest::WholeModel whole;
  selftest::NoiseSource training, steering, sample;
  Trainer trainer;
  Evaluator evaluator;
  StepCount observer;
  EventCount events;
  ModelPruningBackend backend;
  PruningLoop loop;

  explicit PruningRun(const PruneOptions& options, Graph graph = selftest::small_resnet(),
                      DeviceKind kind = DeviceKind::cpu, double average_decay = 0,
                      Communicator* communicator = nullptr)
      : whole(std::move(graph), kind),
        training(whole.model.graph().shape(0), 4, 70, 1),
        steering(whole.model.graph().shape(0), 4, 40, 1),
        sample(whole.model.graph().shape(0), 4, 70, 1),
        trainer(whole.model, whole.arena, *whole.stream, training,
                trainer_options(whole.precision, average_decay, communicator)),
        evaluator(whole.model, whole.arena, *whole.stream, 16, whole.precision, communicator),
        backend({whole.model, whole.arena, *whole.stream, trainer, evaluator, steering, sample, observer,
                 nullptr, communicator},
                options),
        loop(options, backend, events) {}

  void save(StateTree& tree) {
    whole.model.save(StateWriter(tree).scope("model"), *whole.stream);
    trainer.save(StateWriter(tree).scope("trainer"));
    loop.save(StateWriter(tree).scope("loop"));
  }
  void restore(const StateTree& tree) {
    whole.model = Model::load(StateReader(tree).scope("model"), *whole.device, *whole.stream);
    trainer.restore(StateReader(tree).scope("trainer"));
    loop.restore(StateReader(tree).scope("loop"));
  }
};

inline std::vector<std::string> differing_paths(const StateTree& a, const StateTree& b) {
  std::vector<std::string> paths;
  for (const auto& [path, value] : a.entries()) {
    if (!b.contains(path) || !(b.at(path) == value)) paths.push_back(path);
  }
  for (const auto& [path, value] : b.entries()) {
    if (!a.contains(path)) paths.push_back(path);
  }
  return paths;
}

}  // namespace secateur::test
