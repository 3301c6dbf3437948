#include "runtime/compiler.h"

#include <algorithm>

#include "runtime/executed_graph.h"
#include "secateur/backend/gpu_description.h"
#include "secateur/core/error.h"
#include "secateur/graph/image_size.h"
#include "secateur/graph/op.h"

namespace secateur {
namespace {

constexpr std::string_view kLabels = "(labels)";
constexpr std::string_view kTeacher = "(teacher)";
constexpr std::string_view kLoss = "(loss)";

class Compiler {
 public:
  Compiler(const Model& model, Stream& stream, const ProgramOptions& options)
      : model_(model),
        stream_(stream),
        options_(options),
        plain_(options.image_size == 0
                   ? model.graph()
                   : graph_for_images(model.graph(), options.image_size, options.image_size)) {
    const bool learns = options.mode == ProgramMode::train || options.mode == ProgramMode::score_gradients;
    backward_ = learns;
    with_loss_ = options.with_loss || learns;
  }

  CompiledProgram run() {
    build_graph();
    mark_gradients();
    for (NodeId id = 0; id < graph().size(); ++id) bind_node(id);
    if (backward_) build_backward();
    keep_outputs();
    return std::move(result_);
  }

 private:
  // A gradient that flows into a node's value; `shared` when several nodes read the same buffer.
  struct Contribution {
    VirtualTensor tensor;
    bool shared = false;
  };

  [[nodiscard]] const Graph& graph() const { return result_.graph; }
  [[nodiscard]] static std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }

  void build_graph() {
    ExecutedGraph executed = executed_graph(model_, plain_, stream_, options_);
    node_map_ = std::move(executed.fused.node_map);
    result_.graph = std::move(executed.fused.graph);
    result_.conv_fusions = std::move(executed.conv_fusions);
    logits_ = graph().output();
    if (with_loss_) append_loss();
    const std::size_t count = at(static_cast<NodeId>(graph().size()));
    values_.resize(count);
    sums_.assign(count, kNoBuffer);
    contributions_.resize(count);
    result_.kernels.resize(count);
    result_.parameters.resize(count);
    result_.saved.assign(count, kNoBuffer);
    const auto& sources = executed.fused.sources;
    for (std::size_t i = 0; i < sources.size(); ++i) {  // the loss's nodes have no parameters
      for (const NodeId plain : sources[i]) {
        const auto& own = model_.layout().of_node[at(plain)];
        result_.parameters[i].insert(result_.parameters[i].end(), own.begin(), own.end());
      }
    }
  }

  void append_loss() {
    const auto fed = [&](std::string_view name, std::int64_t channels) {
      return result_.graph.add(
          std::string(name), "input", {},
          {{"height", std::int64_t{1}}, {"width", std::int64_t{1}}, {"channels", channels}});
    };
    std::vector<NodeId> inputs{logits_, fed(kLabels, 1)};
    Attributes attributes{{"label_smoothing", options_.label_smoothing}};
    if (options_.distillation.weight > 0) {
      inputs.push_back(fed(kTeacher, graph().shape(logits_).channels));
      attributes.set("distillation", options_.distillation.weight);
      attributes.set("temperature", options_.distillation.temperature);
    }
    loss_ = result_.graph.add(std::string(kLoss), "softmax_cross_entropy", std::move(inputs),
                              std::move(attributes));
    result_.graph.set_output(logits_);
  }

  void mark_gradients() {
    wants_gradient_ = backward_ ? depends_on_parameters(graph())
                                : std::vector<bool>(at(static_cast<NodeId>(graph().size())), false);
  }

  [[nodiscard]] std::int64_t time() const {
    return static_cast<std::int64_t>(result_.forward.size() + result_.backward.size());
  }

  BufferId new_buffer(std::int64_t bytes) {
    result_.buffers.push_back({bytes, time(), time()});
    return static_cast<BufferId>(result_.buffers.size()) - 1;
  }

  // The buffer is read or written by the step that is being built.
  void touch(BufferId buffer) {
    if (buffer == kNoBuffer) return;
    BufferLife& life = result_.buffers[static_cast<std::size_t>(buffer)];
    life.last = std::max(life.last, time());
  }

  [[nodiscard]] std::int64_t leading_of(const MapShape& shape) const {
    return stored_channels(shape, options_);
  }

  VirtualTensor new_tensor(DType type, const MapShape& shape) {
    const std::int64_t leading = type == DType::i32 ? shape.channels : leading_of(shape);
    const Shape batched = shape.batched(options_.batch);
    return {new_buffer(batched.rows() * leading * size_of(type)), type, batched, leading};
  }

  [[nodiscard]] DType value_type(NodeId id) const {
    if (graph().node(id).name == kLabels) return DType::i32;
    // Losses are sums over classes in float32 or better, whatever the activations are stored in.
    if (id == loss_) return options_.precision == Precision::fp64 ? DType::f64 : DType::f32;
    return storage_type(options_.precision);
  }

  // True when the node's value is its first input's memory: a dense reshape, or an op that rests in this
  // mode.
  [[nodiscard]] bool is_alias(NodeId id) const {
    const Node& node = graph().node(id);
    const Op& op = find_op(node.op);
    if (op.training_only() && options_.mode != ProgramMode::train) return true;
    if (!op.is_view()) return false;
    const VirtualTensor& input = values_[at(node.inputs[0])];
    return input.leading == input.shape.last();
  }

  [[nodiscard]] VirtualTensor reshaped(VirtualTensor tensor, const MapShape& shape) const {
    tensor.shape = shape.batched(options_.batch);
    if (tensor.leading != leading_of(shape)) tensor.leading = shape.channels;
    return tensor;
  }

  [[nodiscard]] VirtualTensor& fed_tensor(std::string_view name) {
    if (name == kLabels) return result_.labels;
    return name == kTeacher ? result_.teacher : result_.images;
  }

  void bind_node(NodeId id) {
    const Node& node = graph().node(id);
    if (node.inputs.empty()) {
      values_[at(id)] = new_tensor(value_type(id), graph().shape(id));
      fed_tensor(node.name) = values_[at(id)];
      return;
    }
    if (is_alias(id)) {
      values_[at(id)] = reshaped(values_[at(node.inputs[0])], graph().shape(id));
      return;
    }
    values_[at(id)] = new_tensor(value_type(id), graph().shape(id));
    make_kernel_of(id);

    Step step;
    step.node = id;
    step.output = values_[at(id)];
    for (const NodeId input : node.inputs) {
      step.inputs.push_back(values_[at(input)]);
      touch(values_[at(input)].buffer);
    }
    if (takes_statistics(node)) {
      step.input_sums = sums_[at(node.inputs[0])];
      touch(step.input_sums);
    }
    if (gives_statistics(node)) {
      sums_[at(id)] = new_buffer(2 * values_[at(id)].leading * size_of(DType::f32));
      step.output_sums = sums_[at(id)];
    }
    const KernelMemory memory = result_.kernels[at(id)]->memory();
    if (memory.forward_workspace > 0) step.workspace = new_buffer(memory.forward_workspace);
    if (memory.saved > 0) result_.saved[at(id)] = new_buffer(memory.saved);
    result_.forward.push_back(std::move(step));
  }

  void make_kernel_of(NodeId id) {
    const Node& node = graph().node(id);
    std::vector<Tensor> inputs;
    std::vector<Tensor> parameters;
    const auto described = [](const VirtualTensor& t) {
      return Tensor(nullptr, t.dtype, t.shape, t.leading);
    };
    for (const NodeId input : node.inputs) inputs.push_back(described(values_[at(input)]));
    for (const std::int64_t p : result_.parameters[at(id)]) {
      Tensor value = model_.value(p);
      value.data = nullptr;
      parameters.push_back(value);
    }
    const auto flags = std::make_unique<bool[]>(node.inputs.size());
    for (std::size_t i = 0; i < node.inputs.size(); ++i) flags[i] = wants_gradient_[at(node.inputs[i])];
    // Random numbers are keyed by the node of the stored graph, which fusion does not renumber.
    const NodeId plain = plain_.find(node.name);
    const KernelSetup setup{.node = node,
                            .id = plain >= 0 ? plain : id,
                            .stream = stream_,
                            .precision = options_.precision,
                            .batch_statistics = options_.mode == ProgramMode::train,
                            .inputs = inputs,
                            .output = described(values_[at(id)]),
                            .parameters = parameters,
                            .input_gradient_wanted = {flags.get(), node.inputs.size()},
                            .parameter_gradients_wanted = backward_ && !parameters.empty(),
                            .batch_shared_by = options_.batch_shared_by};
    result_.kernels[at(id)] = make_kernel(setup);
  }

  void build_backward() {
    const DType type = value_type(loss_);
    result_.loss_gradient = new_tensor(type, {1, 1, 1});
    result_.buffers[static_cast<std::size_t>(result_.loss_gradient.buffer)].first = 0;
    contributions_[at(loss_)].push_back({result_.loss_gradient, true});
    for (NodeId id = static_cast<NodeId>(graph().size()) - 1; id >= 0; --id) {
      if (!wants_gradient_[at(id)] || contributions_[at(id)].empty()) continue;
      backward_of(id, summed(id));
    }
    for (const NodeId tap : options_.taps) {
      if (options_.mode != ProgramMode::score_gradients) break;
      const auto& flows = contributions_[at(executed_node(tap))];
      require(!flows.empty(), "no gradient reaches '{}'", plain_.node(tap).name);
      result_.tap_gradients.push_back(flows.front().tensor);
    }
  }

  // The gradient of a node's value: what its readers contributed, added up. The sum takes a buffer that
  // nobody shares, where there is one.
  VirtualTensor summed(NodeId id) {
    auto& flows = contributions_[at(id)];
    while (flows.size() > 1) {
      Contribution a = flows[0];
      const Contribution b = flows[1];
      Step step;
      step.kind = Step::Kind::add;
      step.inputs = {a.tensor, b.tensor};
      if (a.shared) a = b;
      step.output = a.shared ? new_tensor(value_type(id), graph().shape(id)) : a.tensor;
      for (const VirtualTensor& term : step.inputs) touch(term.buffer);
      touch(step.output.buffer);
      flows.erase(flows.begin());
      flows.front() = {step.output, false};
      result_.backward.push_back(std::move(step));
    }
    return flows.front().tensor;
  }

  void backward_of(NodeId id, const VirtualTensor& gradient) {
    const Node& node = graph().node(id);
    if (find_op(node.op).passes_gradient()) {
      for (const NodeId input : node.inputs) {
        if (wants_gradient_[at(input)]) contributions_[at(input)].push_back({gradient, true});
      }
      return;
    }
    if (result_.kernels[at(id)] == nullptr) {  // an alias
      const NodeId input = node.inputs[0];
      const bool shared = contributions_[at(id)].front().shared || is_tapped(id);
      contributions_[at(input)].push_back({reshaped(gradient, graph().shape(input)), shared});
      return;
    }
    Step step;
    step.kind = Step::Kind::backward;
    step.node = id;
    step.output_gradient = gradient;
    touch(gradient.buffer);
    const KernelMemory memory = result_.kernels[at(id)]->memory();
    for (const NodeId input : node.inputs) {
      step.inputs.push_back(memory.backward_needs_inputs ? values_[at(input)] : VirtualTensor{});
      touch(step.inputs.back().buffer);
      VirtualTensor flow;
      if (wants_gradient_[at(input)]) {
        flow = new_tensor(value_type(input), graph().shape(input));
        contributions_[at(input)].push_back({flow, is_tapped(input)});
      }
      step.input_gradients.push_back(flow);
    }
    if (memory.backward_needs_output) {
      step.output = values_[at(id)];
      touch(step.output.buffer);
    }
    touch(result_.saved[at(id)]);
    if (memory.backward_workspace > 0) step.workspace = new_buffer(memory.backward_workspace);
    result_.backward.push_back(std::move(step));
  }

  [[nodiscard]] NodeId executed_node(NodeId plain) const {
    const NodeId id = node_map_.at(at(plain));
    require(id >= 0, "the value of '{}' is not computed on its own", plain_.node(plain).name);
    return id;
  }

  [[nodiscard]] bool is_tapped(NodeId executed) const {
    return std::ranges::any_of(options_.taps, [&](NodeId tap) { return node_map_[at(tap)] == executed; });
  }

  // What callers read or write stays from the first to the last step.
  void keep_outputs() {
    result_.logits = values_[at(logits_)];
    if (with_loss_) result_.losses = values_[at(loss_)];
    for (const NodeId tap : options_.taps) result_.taps.push_back(values_[at(executed_node(tap))]);
    const std::int64_t end = std::max<std::int64_t>(time() - 1, 0);
    const auto keep = [&](const VirtualTensor& tensor) {
      if (tensor.buffer != kNoBuffer) result_.buffers[static_cast<std::size_t>(tensor.buffer)].last = end;
    };
    keep(result_.logits);
    keep(result_.losses);
    for (const VirtualTensor& tap : result_.taps) keep(tap);
    for (const VirtualTensor& tap : result_.tap_gradients) keep(tap);
    for (BufferLife& life : result_.buffers) {
      life.last = std::min(life.last, end);
      life.first = std::min(life.first, end);
    }
    for (const VirtualTensor* fed : {&result_.images, &result_.labels, &result_.teacher}) {
      if (fed->buffer != kNoBuffer) result_.buffers[static_cast<std::size_t>(fed->buffer)].first = 0;
    }
  }

  const Model& model_;
  Stream& stream_;
  const ProgramOptions& options_;
  Graph plain_;  // the model's, for images of this size
  bool backward_ = false;
  bool with_loss_ = false;
  NodeId logits_ = -1;
  NodeId loss_ = -1;
  std::vector<NodeId> node_map_;
  std::vector<bool> wants_gradient_;
  std::vector<VirtualTensor> values_;
  std::vector<BufferId> sums_;  // that come with a value
  std::vector<std::vector<Contribution>> contributions_;
  CompiledProgram result_;
};

}  // namespace

CompiledProgram compile(const Model& model, Stream& stream, const ProgramOptions& options) {
  require(options.batch >= 1, "a batch has at least one sample, got {}", options.batch);
  require(options.channel_padding >= 0, "channel_padding is 0 or more, got {}", options.channel_padding);
  require((options.precision == Precision::fp64) == (stream.device().kind() == DeviceKind::reference),
          "precision fp64 belongs to the reference device, the others to cpu and cuda; got {} on {}",
          name_of(options.precision), name_of(stream.device().kind()));
  require(!options.frozen || options.mode == ProgramMode::infer,
          "frozen parameters are for inference; the other modes change or score them");
  require(!options.averaged || (options.mode == ProgramMode::infer && model.averaged()),
          "a program of averaged weights is for inference, by a model that keeps them");
  require(options.batch_shared_by == nullptr || options.mode == ProgramMode::train,
          "processes share the batches of training; the other modes use running statistics");
  ProgramOptions chosen = options;
  const DeviceKind device = stream.device().kind();
  if (chosen.channel_padding == 0 && device == DeviceKind::cuda) {
    chosen.channel_padding = gpu_channel_padding(options.precision);
  } else if (chosen.channel_padding == 0 && device == DeviceKind::reference) {
    chosen.channel_padding = 1;
  }
  return Compiler(model, stream, chosen).run();
}

}  // namespace secateur
