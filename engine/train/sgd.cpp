#include "secateur/train/sgd.h"

#include "secateur/core/error.h"

namespace secateur {

Sgd::Sgd(Model& model, SgdOptions options) : model_(model), options_(options) {
  require(options.momentum >= 0 && options.momentum < 1, "momentum lies in [0, 1), got {}", options.momentum);
  require(options.weight_decay >= 0, "weight decay is not negative, got {}", options.weight_decay);
  require(!options.nesterov || options.momentum > 0, "Nesterov's update needs a momentum above 0");
}

void Sgd::step(double learning_rate, Stream& stream, double gradient_scale) {
  if (generation_ != model_.generation()) {
    segments_.clear();
    for (const Parameter& p : model_.parameters()) {
      if (!is_trained(p.spec.kind)) continue;
      const bool decays = p.spec.kind == ParameterKind::weight || options_.decay_norm_and_bias;
      segments_.push_back({p.offset, p.spec.shape.count(), decays ? options_.weight_decay : 0.0});
    }
    generation_ = model_.generation();
  }
  primitives_of(model_.device().kind())
      .sgd_update(stream, model_.dtype(), model_.values(), model_.gradients(), model_.momenta(), segments_,
                  {learning_rate, options_.momentum, options_.nesterov, gradient_scale});
}

}  // namespace secateur
