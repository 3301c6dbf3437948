// WeightAverage: an exponential moving average of a model's weights and running statistics (Polyak and
// Juditsky 1992, in the exponential form in common use), after every weight update:
//
//   average = d * average + (1 - d) * value      d = min(decay, (1 + t) / (10 + t)), t updates before
//
// so that the first steps of a training, which know little, are soon forgotten. A removal cuts the average
// with the weights, and t starts from 0: the average is of the smaller network after a few updates, and the
// larger one's weighs no longer than its first steps would.
#pragma once

#include <cstdint>

#include "secateur/io/state_tree.h"
#include "secateur/runtime/model.h"

namespace secateur {

class WeightAverage {
 public:
  // Makes the model keep its averages; with a decay of 0 the model takes those that it has for its weights,
  // and nothing is averaged. Throws Error for a decay outside [0, 1).
  WeightAverage(Model& model, double decay, Stream& stream);

  [[nodiscard]] bool active() const { return decay_ > 0; }
  [[nodiscard]] double decay() const { return decay_; }
  void update(Stream& stream);

  // Updates before the next one (t above), for the model as it is.
  [[nodiscard]] std::int64_t updates();
  // Takes over how many there were after updates on the device.
  void follow(std::int64_t updates) { updates_ = updates; }

  // The count; the averages are saved with the model.
  void save(StateWriter writer) const;
  void restore(const StateReader& reader);

 private:
  Model& model_;
  double decay_;
  std::int64_t updates_ = 0;
  std::int64_t parameters_ = 0;  // that the network had at the last update: a removal makes them fewer
  std::int64_t generation_ = -1;
};

}  // namespace secateur
