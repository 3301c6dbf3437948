#include "secateur/train/finite.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "secateur/backend/primitives.h"
#include "secateur/core/host_values.h"

namespace secateur {
namespace {

std::int64_t count_non_finite(const Tensor& tensor, Stream& stream) {
  const std::vector<double> values = read_values(tensor, stream);
  return std::ranges::count_if(values, [](double value) { return !std::isfinite(value); });
}

// Among the trained parameters, or among the running statistics.
NonFinitePlace find_in(const Model& model, Stream& stream, bool trained) {
  const auto parameters = model.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (is_trained(parameters[i].spec.kind) != trained) continue;
    const Tensor value = model.value(static_cast<std::int64_t>(i));
    if (primitives_of(model.device().kind()).all_finite(stream, value.dtype, value.data, value.count()))
      continue;
    const std::string& layer = model.graph().node(parameters[i].node).name;
    return {layer,
            fmt::format("the {} of layer '{}' holds {} values of {} that are not finite",
                        parameters[i].spec.role, layer, count_non_finite(value, stream), value.count())};
  }
  return {};
}

}  // namespace

NonFinitePlace find_in_parameters(const Model& model, Stream& stream) {
  // All values at once, since nearly always they are finite. What lies between two parameters may be
  // anything.
  if (primitives_of(model.device().kind())
          .all_finite(stream, model.dtype(), model.values(), model.layout().value_elements())) {
    return {};
  }
  NonFinitePlace place = find_in(model, stream, true);
  return place.description.empty() ? find_in(model, stream, false) : place;
}

NonFinitePlace find_non_finite(Model& model, Arena& arena, Stream& stream, BatchSource& source,
                               std::int64_t first, std::int64_t count, ProgramOptions options,
                               const StepState& state) {
  // The step that is looked at has moved the running statistics already: they tell what it computed, not why.
  NonFinitePlace place = find_in(model, stream, true);
  if (!place.description.empty()) return place;

  const Graph& graph = model.graph();
  options.taps.resize(static_cast<std::size_t>(graph.size()));
  std::iota(options.taps.begin(), options.taps.end(), 0);
  const bool fused = options.precision == Precision::fp16 && options.fuse_convolutions &&
                     has_kernel("norm_act_conv2d", model.device().kind());
  options.fuse = false;
  options.distillation = {};          // a teacher's part of the loss changes no layer's output
  options.batch_shared_by = nullptr;  // other processes may have found theirs already
  Program program(model, arena, stream, std::move(options));
  source.fill(first, count, stream, program.images(), program.labels());
  if (count_non_finite(program.images(), stream) > 0) return {"", "the images themselves are not finite"};
  program.forward(state);
  for (NodeId id = 0; id < graph.size(); ++id) {
    const std::int64_t bad = count_non_finite(program.tap(static_cast<std::size_t>(id)), stream);
    if (bad == 0) continue;
    const std::string& layer = graph.node(id).name;
    return {layer,
            fmt::format("it began in layer '{}' ({}), {} values of whose output are not finite while its "
                        "inputs and parameters are",
                        layer, graph.node(id).op, bad)};
  }
  if (fused) {
    return {
        "",
        "every layer's output is finite by itself: it began in the loss, or where convolutions apply batch "
        "norm in fp16 to channels far from zero (--fuse off keeps them apart)"};
  }
  return {"", "every layer's output is finite: it began in the loss itself"};
}

}  // namespace secateur
