#include "secateur/runtime/program.h"

#include <algorithm>

#include "runtime/compiler.h"
#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"

namespace secateur {

void Arena::reserve(std::int64_t bytes) {
  if (bytes <= slab_.bytes()) return;
  clear();  // before the larger one is taken: the peak is the larger one alone
  slab_ = Slab(*device_, bytes);
}

void Arena::clear() {
  slab_ = Slab();
  ++generation_;
}

// A step with its tensors in memory.
struct BoundStep {
  Step::Kind kind;
  Kernel* kernel;
  std::vector<Tensor> inputs, input_gradients, parameters, parameter_gradients;
  Tensor output, output_gradient;
  void* saved;
  void* workspace;
  float* input_sums;
  float* output_sums;
};

struct Program::Impl {
  Model& model;
  Arena& arena;
  Stream& stream;
  ProgramOptions options;
  CompiledProgram code;
  MemoryPlan memory;
  std::int64_t model_generation;
  std::int64_t arena_generation = -1;
  std::vector<BoundStep> forward, backward;
  std::vector<std::int64_t> finished;  // elements of the gradients that are final after each backward step

  Impl(Model& m, Arena& a, Stream& s, ProgramOptions o)
      : model(m),
        arena(a),
        stream(s),
        options(std::move(o)),
        code(compile(m, s, options)),
        memory(plan_memory(code.buffers, Device::kAlignment)),
        model_generation(m.generation()),
        finished(finished_gradients()) {}

  // Gradients lie in the order in which the backward pass makes them, but for a few neighbours: after each
  // step, where the first one begins that is not there yet.
  [[nodiscard]] std::vector<std::int64_t> finished_gradients() const {
    std::vector<std::pair<std::int64_t, std::size_t>> made_by;  // offset and step of every trained parameter
    for (std::size_t s = 0; s < code.backward.size(); ++s) {
      if (code.backward[s].node < 0) continue;
      for (const std::int64_t p : code.parameters[static_cast<std::size_t>(code.backward[s].node)]) {
        const Parameter& parameter = model.parameters()[static_cast<std::size_t>(p)];
        if (is_trained(parameter.spec.kind)) made_by.emplace_back(parameter.offset, s);
      }
    }
    std::ranges::sort(made_by);
    std::vector<std::int64_t> result(code.backward.size(), model.layout().trained_elements);
    for (std::size_t s = 0; s + 1 < result.size(); ++s) {
      const auto open = std::ranges::find_if(made_by, [s](const auto& entry) { return entry.second > s; });
      if (open != made_by.end()) result[s] = open->first;
    }
    return result;
  }

  [[nodiscard]] void* place(BufferId buffer) const {
    if (buffer == kNoBuffer) return nullptr;
    return arena.data() + memory.offsets[static_cast<std::size_t>(buffer)];
  }

  [[nodiscard]] Tensor tensor(const VirtualTensor& t) const {
    if (t.buffer == kNoBuffer) return {};
    return {place(t.buffer), t.dtype, t.shape, t.leading};
  }

  [[nodiscard]] std::vector<Tensor> tensors(const std::vector<VirtualTensor>& list) const {
    std::vector<Tensor> result;
    for (const VirtualTensor& t : list) result.push_back(tensor(t));
    return result;
  }

  [[nodiscard]] BoundStep bound(const Step& step) const {
    BoundStep result{step.kind,
                     nullptr,
                     tensors(step.inputs),
                     tensors(step.input_gradients),
                     {},
                     {},
                     tensor(step.output),
                     tensor(step.output_gradient),
                     nullptr,
                     place(step.workspace),
                     static_cast<float*>(place(step.input_sums)),
                     static_cast<float*>(place(step.output_sums))};
    if (step.node >= 0) {
      const auto index = static_cast<std::size_t>(step.node);
      result.kernel = code.kernels[index].get();
      result.saved = place(code.saved[index]);
      for (const std::int64_t p : code.parameters[index]) {
        result.parameters.push_back(options.averaged ? model.average(p) : model.value(p));
        result.parameter_gradients.push_back(model.gradient(p));
      }
    }
    return result;
  }

  // Makes sure that the arena holds this program's plan and that every pointer is of it.
  void bind() {
    require(model.generation() == model_generation,
            "the model was changed (pruned, loaded) after this program was compiled: compile it anew");
    arena.reserve(memory.peak);
    if (arena.generation() == arena_generation) return;
    forward.clear();
    backward.clear();
    for (const Step& step : code.forward) forward.push_back(bound(step));
    for (const Step& step : code.backward) backward.push_back(bound(step));
    arena_generation = arena.generation();
  }

  void run(BoundStep& step, const StepState& state) const {
    switch (step.kind) {
      case Step::Kind::forward:
        step.kernel->forward({step.inputs, step.output, step.parameters, step.saved, step.workspace, state,
                              step.input_sums, step.output_sums});
        break;
      case Step::Kind::backward:
        step.kernel->backward({step.inputs, step.output, step.parameters, step.output_gradient,
                               step.input_gradients, step.parameter_gradients, step.saved, step.workspace,
                               state});
        break;
      case Step::Kind::add:
        primitives_of(stream.device().kind()).add(stream, step.inputs[0], step.inputs[1], step.output);
        break;
    }
  }

  // The loss that is differentiated is the mean over the valid samples, times the loss scale: the host's, or
  // one that the loss's kernel finds on the device.
  void fill_loss_gradient(const StepState& state) const {
    std::int64_t count = state.batch_samples > 0 ? state.batch_samples : state.samples;
    if (count == 0) count = options.batch;
    const double scale = state.on_device != nullptr ? 1 : state.loss_scale;
    primitives_of(stream.device().kind())
        .fill(stream, tensor(code.loss_gradient), scale / static_cast<double>(count));
  }
};

Program::Program(Model& model, Arena& arena, Stream& stream, ProgramOptions options) {
  register_builtin_kernels();
  impl_ = std::make_unique<Impl>(model, arena, stream, std::move(options));
}

Program::~Program() = default;

const ProgramOptions& Program::options() const { return impl_->options; }

Tensor Program::images() {
  impl_->bind();
  return impl_->tensor(impl_->code.images);
}

Tensor Program::labels() {
  require(impl_->code.labels.buffer != kNoBuffer, "this program has no loss, and so no labels");
  impl_->bind();
  return impl_->tensor(impl_->code.labels);
}

Tensor Program::teacher_logits() {
  require(impl_->code.teacher.buffer != kNoBuffer, "this program's loss has no teacher");
  impl_->bind();
  return impl_->tensor(impl_->code.teacher);
}

void Program::forward(const StepState& state) {
  impl_->bind();
  impl_->stream.make_current();
  for (BoundStep& step : impl_->forward) impl_->run(step, state);
}

void Program::backward(const StepState& state, GradientListener* listener) {
  require(!impl_->code.backward.empty(),
          "this program has no backward pass: compile it to train or to score gradients");
  impl_->bind();
  impl_->stream.make_current();
  impl_->fill_loss_gradient(state);
  std::int64_t told = 0;
  for (std::size_t s = 0; s < impl_->backward.size(); ++s) {
    impl_->run(impl_->backward[s], state);
    const std::int64_t finished = impl_->finished[s];
    if (listener == nullptr || finished == told) continue;
    listener->on_gradients(told, finished - told);
    told = finished;
  }
}

Tensor Program::logits() {
  impl_->bind();
  return impl_->tensor(impl_->code.logits);
}

Tensor Program::losses() {
  require(impl_->code.losses.buffer != kNoBuffer, "this program has no loss");
  impl_->bind();
  return impl_->tensor(impl_->code.losses);
}

Tensor Program::tap(std::size_t index) {
  impl_->bind();
  return impl_->tensor(impl_->code.taps.at(index));
}

Tensor Program::tap_gradient(std::size_t index) {
  require(index < impl_->code.tap_gradients.size(),
          "this program keeps {} gradients of taps, number {} was asked for",
          impl_->code.tap_gradients.size(), index);
  impl_->bind();
  return impl_->tensor(impl_->code.tap_gradients[index]);
}

std::int64_t Program::planned_bytes() const { return impl_->memory.peak; }
std::int64_t Program::lower_bound_bytes() const { return impl_->memory.lower_bound; }
std::span<const ConvFusionChoice> Program::conv_fusions() const { return impl_->code.conv_fusions; }
std::int64_t Program::forward_steps() const { return static_cast<std::int64_t>(impl_->code.forward.size()); }
std::int64_t Program::backward_steps() const {
  return static_cast<std::int64_t>(impl_->code.backward.size());
}

}  // namespace secateur
