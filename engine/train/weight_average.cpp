#include "secateur/train/weight_average.h"

#include <algorithm>

#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

std::int64_t parameter_count(const Model& model) {
  std::int64_t count = 0;
  for (const Parameter& p : model.parameters()) count += p.spec.shape.count();
  return count;
}

}  // namespace

WeightAverage::WeightAverage(Model& model, double decay, Stream& stream) : model_(model), decay_(decay) {
  require(decay >= 0 && decay < 1, "the decay of averaged weights lies in [0, 1), got {}", decay);
  if (active()) {
    model.keep_averages(stream);
  } else {
    model.adopt_averages(stream);
  }
}

std::int64_t WeightAverage::updates() {
  if (generation_ != model_.generation()) {
    generation_ = model_.generation();
    const std::int64_t parameters = parameter_count(model_);
    if (parameters != parameters_) updates_ = 0;
    parameters_ = parameters;
  }
  return updates_;
}

// The kernel settle_step finds the same decay on a GPU.
void WeightAverage::update(Stream& stream) {
  if (!active()) return;
  const auto before = static_cast<double>(updates());
  primitives_of(model_.device().kind())
      .average_update(stream, model_.dtype(), model_.averages(), model_.values(),
                      model_.layout().value_elements(), std::min(decay_, (1 + before) / (10 + before)));
  ++updates_;
}

// A writer is a handle. NOLINTNEXTLINE(performance-unnecessary-value-param)
void WeightAverage::save(StateWriter writer) const {
  writer.set("updates", updates_);
  writer.set("parameters", parameters_);
}

void WeightAverage::restore(const StateReader& reader) {
  updates_ = reader.get<std::int64_t>("updates");
  parameters_ = reader.get<std::int64_t>("parameters");
  generation_ = -1;
}

}  // namespace secateur
