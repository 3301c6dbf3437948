// Numbers that are not finite: where they began is named.
#include "secateur/train/finite.h"

#include <gtest/gtest.h>

#include <limits>

#include "secateur/train/trainer.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::NoiseSource;
using selftest::WholeModel;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TrainerOptions small_batches() {
  TrainerOptions options;
  options.batch = 8;
  return options;
}

LrPhase constant(double rate) {
  return {.factor = find_lr_schedule("constant"), .base_rate = rate, .epochs = 1};
}

void set_first(WholeModel& whole, const std::string& parameter, double value) {
  const auto index = whole.model.find_parameter(parameter);
  std::vector<double> values = whole.model.read(index, *whole.stream);
  values[0] = value;
  whole.model.write(index, values, *whole.stream);
}

// Trains an epoch and returns what is said of the layer.
std::pair<std::string, std::string> layer_and_message(WholeModel& whole, double rate) {
  NoiseSource source(whole.model.graph().shape(0), 4, 16, 3);
  Trainer trainer(whole.model, whole.arena, *whole.stream, source, small_batches());
  TrainObserver silent;
  try {
    static_cast<void>(trainer.run_epoch(constant(rate), 0, silent));
  } catch (const NonFiniteError& error) {
    return {error.layer(), error.what()};
  }
  return {"no error", ""};
}

TEST(NonFinite, AParameterIsNamedWithItsLayerAndCount) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
  EXPECT_EQ(find_in_parameters(whole.model, *whole.stream).description, "");
  set_first(whole, "fc.weight", kNan);
  const auto [layer, message] = layer_and_message(whole, 0.01);
  EXPECT_EQ(layer, "fc");
  EXPECT_NE(message.find("the weight of layer 'fc' holds 1 values"), std::string::npos) << message;
  EXPECT_NE(message.find("step 0"), std::string::npos) << message;
}

// Every later layer is poisoned too: the first one counts. Its weights are finite, and their products are
// not.
TEST(NonFinite, TheFirstLayerWhoseOutputOverflowsIsNamed) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
  std::string first;
  for (const Parameter& parameter : whole.model.parameters()) {
    if (parameter.spec.shape.rank() != 4) continue;
    first = whole.model.graph().node(parameter.node).name;
    const auto index = whole.model.find_parameter(parameter.name);
    const std::vector<double> huge(static_cast<std::size_t>(parameter.spec.shape.count()), 3e38);
    whole.model.write(index, huge, *whole.stream);
    break;
  }
  const auto [layer, message] = layer_and_message(whole, 0.01);
  EXPECT_EQ(layer, first) << message;
  EXPECT_NE(message.find("it began in layer '" + first + "'"), std::string::npos) << message;
}

// The last step of an epoch spoils weights that no loss of the epoch looks at.
TEST(NonFinite, WeightsAreLookedAtAfterTheEpoch) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
  NoiseSource source(whole.model.graph().shape(0), 4, 8, 3);  // one step an epoch
  Trainer trainer(whole.model, whole.arena, *whole.stream, source, small_batches());
  TrainObserver silent;
  EXPECT_THROW(static_cast<void>(trainer.run_epoch(constant(1e300), 0, silent)), NonFiniteError);
  EXPECT_EQ(trainer.step(), 1);
}

}  // namespace
}  // namespace secateur
