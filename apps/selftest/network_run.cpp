#include "selftest/network_run.h"

#include "secateur/core/rng.h"
#include "selftest/small_networks.h"

namespace secateur::selftest {

StepResult run_training_step(WholeModel& whole, ProgramOptions options, std::int64_t batch,
                             double loss_scale) {
  options.batch = batch;
  options.mode = ProgramMode::train;
  options.precision = whole.precision;
  Program program(whole.model, whole.arena, *whole.stream, options);
  const std::int64_t classes = whole.model.graph().shape(whole.model.graph().output()).channels;
  NoiseSource source(whole.model.graph().shape(0), classes, batch, 11);
  source.fill(0, batch, *whole.stream, program.images(), program.labels());
  const StepState state{.seed = 3, .step = 5, .loss_scale = loss_scale};
  program.forward(state);
  StepResult result;
  result.logits = read_values(program.logits(), *whole.stream);
  result.losses = read_values(program.losses(), *whole.stream);
  program.backward(state);
  for (std::size_t i = 0; i < whole.model.parameters().size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    if (is_trained(whole.model.parameters()[i].spec.kind)) {
      std::vector<double> gradient = read_values(whole.model.gradient(index), *whole.stream);
      for (double& value : gradient) value /= loss_scale;
      result.gradients.push_back(std::move(gradient));
    } else {
      result.statistics.push_back(whole.model.read(index, *whole.stream));
    }
  }
  return result;
}

void disturb(WholeModel& whole) {
  for (std::int64_t p = 0; p < static_cast<std::int64_t>(whole.model.parameters().size()); ++p) {
    RandomSequence random(21, RngPurpose::test, static_cast<std::uint32_t>(p));
    std::vector<double> values = whole.model.read(p, *whole.stream);
    const ParameterKind kind = whole.model.parameters()[static_cast<std::size_t>(p)].spec.kind;
    for (double& value : values) {
      if (kind == ParameterKind::weight) continue;
      value += 0.2 * (kind == ParameterKind::running_variance ? random.uniform() : random.normal());
    }
    whole.model.write(p, values, *whole.stream);
    const Tensor momentum = whole.model.momentum(p);
    if (momentum.empty()) continue;
    std::vector<double> velocity(static_cast<std::size_t>(momentum.count()));
    for (double& value : velocity) value = random.normal();
    write_values(momentum, velocity, *whole.stream);
  }
}

}  // namespace secateur::selftest
