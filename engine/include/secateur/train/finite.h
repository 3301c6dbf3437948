// Where numbers stopped being finite: what a run is stopped or rolled back for.
#pragma once

#include <string>

#include "secateur/core/error.h"
#include "secateur/runtime/program.h"
#include "secateur/train/batch_source.h"

namespace secateur {

// Raised by a Trainer when the loss or a weight is NaN or infinite. The weights of the step are not updated
// where the loss showed it.
class NonFiniteError : public Error {
 public:
  NonFiniteError(const std::string& message, std::string layer) : Error(message), layer_(std::move(layer)) {}
  // Name of the first layer, in graph order, whose parameters or output are not finite; "" where it was in
  // the images or in the loss alone.
  [[nodiscard]] const std::string& layer() const { return layer_; }

 private:
  std::string layer_;
};

struct NonFinitePlace {
  std::string layer;        // "layer2.0.conv1"; "" where no layer is to blame
  std::string description;  // "the weight of 'layer2.0.conv1' holds 3 values that are not finite"
};

// A parameter that is not finite, the first in graph order, trained ones before running statistics; `layer`
// and `description` are "" where all are finite.
[[nodiscard]] NonFinitePlace find_in_parameters(const Model& model, Stream& stream);

// Looks through trained parameters, images, then every layer's output in graph order, by running the step's
// batch once more without fusion and with every value kept. That costs the memory of all maps at once, and
// moves running statistics as every training step does. `first` and `count` are the batch of `source`,
// `options` those that the step ran with.
[[nodiscard]] NonFinitePlace find_non_finite(Model& model, Arena& arena, Stream& stream, BatchSource& source,
                                             std::int64_t first, std::int64_t count, ProgramOptions options,
                                             const StepState& state);

}  // namespace secateur
