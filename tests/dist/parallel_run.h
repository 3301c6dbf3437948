// An epoch of training by one process, or by one rank of a job.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/data_fixtures.h"
#include "secateur/backend/open_device.h"
#include "secateur/data/loader.h"
#include "secateur/data/prefetch.h"
#include "secateur/data/resident_loader.h"
#include "secateur/train/trainer.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur::test {

// What an epoch leaves behind: the gradients of its last step, every weight and running statistic, and the
// averages of these where they are kept.
struct Outcome {
  std::vector<std::vector<double>> gradients;
  std::vector<std::vector<double>> values;
  std::vector<std::vector<double>> averages;
  EpochReport report;
  StateTree trainer;  // what it saves
  std::string by;     // what the ranks talked by
  std::int64_t recorded_kernels = 0;
};

struct ParallelSetting {
  DeviceKind device = DeviceKind::reference;
  std::int64_t images = 12;
  std::int64_t batch = 12;
  bool sync_batch_norm = true;
  bool residual = false;  // the network: else one with dropout
  bool by_hosts = false;  // an accelerator's sums go by way of the host, also where there is another way
  std::optional<Precision> precision = {};  // the device's usual one
  double average_decay = 0;
  std::int64_t epochs = 1;
  bool record = true;
  bool resident = false;  // the images lie on the device
  // Laid around what the ranks talk by, for what a test does to it.
  std::function<std::unique_ptr<Communicator>(Communicator&)> wrap = {};
};

inline Graph network_of(const ParallelSetting& setting) {
  return setting.residual ? selftest::small_resnet(5) : selftest::small_vgg(6, 0.3);
}

// An epoch of shuffled, cropped and mirrored images.
inline Outcome train(const ParallelSetting& setting, Communicator* hosts) {
  const Precision usual = setting.device == DeviceKind::reference ? Precision::fp64 : Precision::fp32;
  selftest::WholeModel whole(network_of(setting), setting.device, setting.precision.value_or(usual), 7);
  const auto between =
      hosts != nullptr && !setting.by_hosts ? open_communicator(*whole.device, *hosts) : nullptr;
  Communicator* communicator = between != nullptr ? between.get() : hosts;
  const auto wrapped = communicator != nullptr && setting.wrap ? setting.wrap(*communicator) : nullptr;
  if (wrapped != nullptr) communicator = wrapped.get();
  // What rank 0 starts from counts.
  if (communicator != nullptr && communicator->rank() > 0) whole.model.initialize(99, *whole.stream);
  data::LoaderOptions loader = data::training_options(3);
  loader.padding = 2;
  const data::ImageSet images = data::random_set(setting.images, {8, 8, 3}, 4);
  std::unique_ptr<BatchSource> source;
  if (setting.resident) {
    source = std::make_unique<data::ResidentLoader>(images, loader, *whole.stream);
  } else {
    source = std::make_unique<data::PrefetchingLoader>(std::make_unique<data::Loader>(images, loader));
  }
  TrainerOptions options;
  options.batch = setting.batch;
  options.precision = whole.precision;
  options.label_smoothing = 0.1;
  options.communicator = communicator;
  options.sync_batch_norm = setting.sync_batch_norm;
  options.average_decay = setting.average_decay;
  options.record = setting.record;
  Trainer trainer(whole.model, whole.arena, *whole.stream, *source, options);
  TrainObserver silent;
  Outcome outcome;
  if (communicator != nullptr) outcome.by = communicator->description();
  for (std::int64_t epoch = 0; epoch < setting.epochs; ++epoch) {
    outcome.report = trainer.run_epoch(
        {find_lr_schedule("constant"), 0.05, static_cast<double>(setting.epochs)}, epoch, silent);
  }
  outcome.recorded_kernels = trainer.recorded_kernels();
  for (std::size_t i = 0; i < whole.model.parameters().size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    outcome.values.push_back(whole.model.read(index, *whole.stream));
    const Tensor gradient = whole.model.gradient(index);
    if (!gradient.empty()) outcome.gradients.push_back(read_values(gradient, *whole.stream));
    if (!whole.model.averaged()) continue;
    outcome.averages.push_back(read_values(whole.model.average(index), *whole.stream));
  }
  trainer.save(StateWriter(outcome.trainer));
  return outcome;
}

inline double largest_difference(const std::vector<std::vector<double>>& a,
                                 const std::vector<std::vector<double>>& b) {
  double largest = 0;
  for (std::size_t p = 0; p < b.size(); ++p) {
    for (std::size_t i = 0; i < b[p].size(); ++i) {
      largest = std::max(largest, std::abs(a.at(p).at(i) - b[p][i]));
    }
  }
  return largest;
}

inline double largest_magnitude(const std::vector<std::vector<double>>& values) {
  double largest = 0;
  for (const auto& of_parameter : values) {
    for (const double value : of_parameter) largest = std::max(largest, std::abs(value));
  }
  return largest;
}

}  // namespace secateur::test
