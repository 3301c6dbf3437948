#include "secateur/train/sgd.h"

#include "secateur/core/error.h"

namespace secateur {

Sgd::Sgd(Model& model, SgdOptions options) : model_(model), options_(options) {
  require(options.momentum >= 0 && options.momentum < 1, "momentum lies in [0, 1), got {}", options.momentum);
  require(options.weight_decay >= 0, "weight decay is not negative, got {}", options.weight_decay);
  require(!options.nesterov || options.momentum > 0, "Nesterov's update needs a momentum above 0");
}

UpdateTerms Sgd::plain_terms() const {
  UpdateTerms terms;
  for (const Parameter& p : model_.parameters()) {
    if (!is_trained(p.spec.kind)) continue;
    const bool decays = p.spec.kind == ParameterKind::weight || options_.decay_norm_and_bias;
    terms.segments.push_back({p.offset, p.spec.shape.count(), decays ? options_.weight_decay : 0.0});
  }
  return terms;
}

void Sgd::use(UpdateTerms terms) {
  if (terms != terms_) ++revision_;
  terms_ = std::move(terms);
  generation_ = model_.generation();
}

UpdateSlabs Sgd::slabs() {
  if (generation_ != model_.generation()) use(plain_terms());
  return {.weights = model_.values(),
          .gradients = model_.gradients(),
          .momentum = model_.momenta(),
          .elements = model_.layout().trained_elements,
          .segments = terms_.segments,
          .decay = terms_.decay,
          .averages = model_.averaged() ? model_.averages() : nullptr,
          .averaged_elements = model_.layout().value_elements()};
}

void Sgd::step(double learning_rate, Stream& stream, double gradient_scale) {
  const UpdateSlabs update = slabs();
  primitives_of(model_.device().kind())
      .sgd_update(stream, model_.dtype(), update.weights, update.gradients, update.momentum, update.segments,
                  {learning_rate, options_.momentum, options_.nesterov, gradient_scale, update.decay});
}

}  // namespace secateur
