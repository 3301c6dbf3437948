#include "secateur/export/onnx.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>

#include "export/onnx_file.h"
#include "secateur/core/error.h"
#include "secateur/core/version.h"
#include "secateur/io/files.h"

namespace secateur {
namespace {

// A value of the ONNX graph. Networks mix maps [N, C, H, W] and, where there is one position, vectors [N, C].
struct Value {
  std::string name;
  bool vector = false;
};

class OnnxBuilder {
 public:
  OnnxBuilder(const Graph& graph, const ParameterReader& read, const OnnxOptions& options)
      : graph_(graph), read_(read), options_(options), values_(static_cast<std::size_t>(graph.size())) {
    for (ForeignParameter& p : foreign_parameters(graph)) {
      parameters_.emplace(p.name, std::move(p));
    }
  }

  std::string build(const Metadata& metadata) {
    mark_needed();
    mark_folded();
    for (NodeId id = 0; id < graph_.size(); ++id) {
      if (needed_.contains(id)) add(id);
    }
    finish_output();
    for (const auto& [key, value] : metadata) file_.add_metadata(key, value);
    return file_.finish(build_info().version, options_.opset);
  }

  // Writes one node of the network; `out` is where its value goes.
  using Emit = void (OnnxBuilder::*)(NodeId id);
  static const std::map<std::string_view, Emit>& table();

 private:
  const Node& node(NodeId id) const { return graph_.node(id); }
  const Attributes& attributes(NodeId id) const { return node(id).attributes; }
  Value& value(NodeId id) { return values_[static_cast<std::size_t>(id)]; }
  const Value& input(NodeId id, std::size_t index = 0) { return value(node(id).inputs.at(index)); }
  const MapShape& input_shape(NodeId id, std::size_t index = 0) const {
    return graph_.shape(node(id).inputs.at(index));
  }

  // What leads to the output; a stored graph may hold more.
  void mark_needed() {
    needed_.insert(graph_.output());
    for (NodeId id = graph_.output(); id >= 0; --id) {
      if (needed_.contains(id)) needed_.insert(node(id).inputs.begin(), node(id).inputs.end());
    }
  }

  // Batch norms that go into the layer before them.
  void mark_folded() {
    if (!options_.fold_bn) return;
    for (const NodeId id : needed_) {
      if (node(id).op != "batch_norm") continue;
      const NodeId before = node(id).inputs[0];
      const std::string& op = node(before).op;
      if ((op == "conv2d" || op == "linear") && before != graph_.output() && readers(before) == 1) {
        folded_into_[before] = id;
      }
    }
  }

  std::int64_t readers(NodeId id) const {
    std::int64_t count = 0;
    for (const NodeId reader : needed_) count += std::ranges::count(node(reader).inputs, id);
    return count;
  }

  void add(NodeId id) {
    const auto found = table().find(node(id).op);
    require(found != table().end(), "layer '{}': op '{}' has no counterpart in ONNX; known are {}",
            node(id).name, node(id).op, fmt::join(onnx_ops(), ", "));
    (this->*found->second)(id);
  }

  std::string fresh(std::string name) {
    while (!taken_.insert(name).second) name += "_";
    return name;
  }

  // A node whose value nobody else names; returns that name.
  std::string emit(std::string_view op, NodeId id, std::vector<std::string> inputs,
                   const OnnxAttributes& with = {}) {
    std::string output = fresh(node(id).name + ":" + std::string(op));
    pending_.push_back({std::string(op), fresh_node(node(id).name), std::move(inputs), output, with});
    return output;
  }
  std::string fresh_node(std::string name) {
    while (!node_names_.insert(name).second) name += "_";
    return name;
  }

  std::string constant(NodeId id, std::string_view what, std::vector<std::int64_t> list) {
    std::string name = fresh(node(id).name + ":" + std::string(what));
    file_.add_integers(name, list);
    return name;
  }

  std::string floats(const std::string& wanted, const Shape& shape, const std::vector<double>& data) {
    std::string name = fresh(wanted);
    file_.add_floats(name, shape.extents(), data);
    return name;
  }

  std::vector<double> parameter(NodeId id, const std::string& role) const {
    const std::string name = node(id).name + "." + role;
    return parameters_.at(name).to_foreign(read_(name));
  }

  std::string vector_of(NodeId id, const Value& v) {
    return v.vector ? v.name : emit("Flatten", id, {v.name}, OnnxAttributes().integer("axis", 1));
  }
  std::string map_of(NodeId id, const Value& v) {
    return v.vector ? emit("Unsqueeze", id, {v.name, constant(id, "axes", {2, 3})}) : v.name;
  }

  // The inputs of a node that takes several, all maps or all vectors.
  std::pair<std::vector<std::string>, bool> like_inputs(NodeId id) {
    bool vectors = false;
    for (std::size_t i = 0; i < node(id).inputs.size(); ++i) vectors = vectors || input(id, i).vector;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < node(id).inputs.size(); ++i) {
      names.push_back(vectors ? vector_of(id, input(id, i)) : input(id, i).name);
    }
    return {names, vectors};
  }

  static std::vector<std::int64_t> both_ends(const std::array<std::int64_t, 2>& padding) {
    return {padding[0], padding[1], padding[0], padding[1]};
  }

  // Scale and offset of each channel that a batch norm stands for.
  struct Affine {
    std::vector<double> scale;
    std::vector<double> offset;
  };
  Affine affine(NodeId id) const {
    Affine result{parameter(id, "scale"), parameter(id, "shift")};
    const std::vector<double> mean = parameter(id, "running_mean");
    const std::vector<double> variance = parameter(id, "running_variance");
    const double epsilon = attributes(id).real_or("epsilon", 1e-5);
    for (std::size_t c = 0; c < mean.size(); ++c) {
      result.scale[c] /= std::sqrt(variance[c] + epsilon);
      result.offset[c] -= mean[c] * result.scale[c];
    }
    return result;
  }

  // Names of weight and, where there is one, bias; with the batch norm behind the layer worked in.
  std::vector<std::string> filters(NodeId id, bool has_bias) {
    std::vector<double> weight = parameter(id, "weight");
    const Shape& shape = parameters_.at(node(id).name + ".weight").shape;
    const auto outputs = static_cast<std::size_t>(shape[0]);
    std::vector<double> bias = has_bias ? parameter(id, "bias") : std::vector<double>(outputs);
    if (const auto found = folded_into_.find(id); found != folded_into_.end()) {
      const Affine norm = affine(found->second);
      const std::size_t row = weight.size() / outputs;
      for (std::size_t k = 0; k < outputs; ++k) {
        for (std::size_t i = 0; i < row; ++i) weight[k * row + i] *= norm.scale[k];
        bias[k] = bias[k] * norm.scale[k] + norm.offset[k];
      }
      has_bias = true;
    }
    std::vector<std::string> names{floats(node(id).name + ".weight", shape, weight)};
    if (has_bias) names.push_back(floats(node(id).name + ".bias", {shape[0]}, bias));
    return names;
  }

  void add_input(NodeId id) {
    const MapShape& s = graph_.shape(id);
    require(!have_input_, "layer '{}': a network with several inputs cannot be exported", node(id).name);
    have_input_ = true;
    value(id) = {fresh("image"), false};
    file_.add_input(value(id).name, std::vector<std::int64_t>{batch(), s.channels, s.height, s.width});
  }

  void add_conv(NodeId id) {
    const Attributes& a = attributes(id);
    std::vector<std::string> inputs{map_of(id, input(id))};
    const auto parameters = filters(id, a.integer_or("bias", 0) != 0);
    inputs.insert(inputs.end(), parameters.begin(), parameters.end());
    OnnxAttributes with;
    with.integers("kernel_shape", a.pair_or("kernel", 1))
        .integers("strides", a.pair_or("stride", 1))
        .integers("pads", both_ends(a.pair_or("padding", 0)))
        .integers("dilations", a.pair_or("dilation", 1))
        .integer("group", a.integer_or("groups", 1));
    value(id) = {emit("Conv", id, inputs, with), false};
  }

  void add_linear(NodeId id) {
    std::vector<std::string> inputs{vector_of(id, input(id))};
    const auto parameters = filters(id, attributes(id).integer_or("bias", 1) != 0);
    inputs.insert(inputs.end(), parameters.begin(), parameters.end());
    value(id) = {emit("Gemm", id, inputs, OnnxAttributes().integer("transB", 1)), true};
  }

  void add_batch_norm(NodeId id) {
    if (const auto found = folded_into_.find(node(id).inputs[0]);
        found != folded_into_.end() && found->second == id) {
      value(id) = input(id);
      return;
    }
    std::vector<std::string> inputs{input(id).name};
    for (const char* role : {"scale", "shift", "running_mean", "running_variance"}) {
      inputs.push_back(floats(node(id).name + "." + role, {graph_.shape(id).channels}, parameter(id, role)));
    }
    const auto epsilon = static_cast<float>(attributes(id).real_or("epsilon", 1e-5));
    value(id) = {emit("BatchNormalization", id, inputs, OnnxAttributes().real("epsilon", epsilon)),
                 input(id).vector};
  }

  void add_relu(NodeId id) { value(id) = {emit("Relu", id, {input(id).name}), input(id).vector}; }
  void add_nothing(NodeId id) { value(id) = input(id); }

  // Add and Concat; ONNX's Add takes two.
  void add_sum(NodeId id) {
    const auto [names, vectors] = like_inputs(id);
    std::string sum = names[0];
    for (std::size_t i = 1; i < names.size(); ++i) sum = emit("Add", id, {sum, names[i]});
    value(id) = {sum, vectors};
  }
  void add_concat(NodeId id) {
    const auto [names, vectors] = like_inputs(id);
    value(id) = {emit("Concat", id, names, OnnxAttributes().integer("axis", 1)), vectors};
  }

  void add_window_pool(NodeId id, const char* op, OnnxAttributes with) {
    const Attributes& a = attributes(id);
    const auto kernel = a.pair_or("kernel", 1);
    with.integers("kernel_shape", kernel)
        .integers("strides", a.contains("stride") ? a.pair_or("stride", 1) : kernel)
        .integers("pads", both_ends(a.pair_or("padding", 0)));
    value(id) = {emit(op, id, {map_of(id, input(id))}, with), false};
  }
  void add_max_pool(NodeId id) { add_window_pool(id, "MaxPool", {}); }
  void add_avg_pool(NodeId id) {
    const std::int64_t include = attributes(id).integer_or("count_include_pad", 0);
    add_window_pool(id, "AveragePool", OnnxAttributes().integer("count_include_pad", include));
  }
  void add_global_avg_pool(NodeId id) {
    const Value pooled{emit("GlobalAveragePool", id, {map_of(id, input(id))}), false};
    value(id) = {vector_of(id, pooled), true};
  }
  void add_flatten(NodeId id) { value(id) = {vector_of(id, input(id)), true}; }

  // The channels table[i] of a value of `channels` channels; -1 is a channel of zeros, appended first.
  std::string gather(NodeId id, Value from, std::int64_t channels, std::vector<std::int64_t> table) {
    if (std::ranges::count(table, -1) > 0) {
      std::vector<std::int64_t> pads(from.vector ? 4 : 8, 0);
      pads[pads.size() / 2 + 1] = 1;  // at the end of axis 1
      from.name = emit("Pad", id, {from.name, constant(id, "pads", std::move(pads))});
      std::ranges::replace(table, -1, channels);
    }
    return emit("Gather", id, {from.name, constant(id, "table", std::move(table))},
                OnnxAttributes().integer("axis", 1));
  }
  void add_gather(NodeId id) {
    value(id) = {gather(id, input(id), input_shape(id).channels, attributes(id).integers("table")),
                 input(id).vector};
  }

  // trunk + branch spread over the trunk's channels: one Gather and one Add for each time that a channel is
  // named.
  void add_scatter_add(NodeId id) {
    const auto [names, vectors] = like_inputs(id);
    const auto& table = attributes(id).integers("table");
    std::vector<std::vector<std::int64_t>> rounds;
    for (std::size_t lane = 0; lane < table.size(); ++lane) {
      const auto channel = static_cast<std::size_t>(table[lane]);
      std::size_t round = 0;
      while (round < rounds.size() && rounds[round][channel] >= 0) ++round;
      if (round == rounds.size()) {
        rounds.emplace_back(static_cast<std::size_t>(graph_.shape(id).channels), -1);
      }
      rounds[round][channel] = static_cast<std::int64_t>(lane);
    }
    std::string sum = names[0];
    for (const auto& lanes : rounds) {
      const std::string spread = gather(id, {names[1], vectors}, input_shape(id, 1).channels, lanes);
      sum = emit("Add", id, {sum, spread});
    }
    value(id) = {sum, vectors};
  }

  void finish_output() {
    const NodeId id = graph_.output();
    const MapShape& s = graph_.shape(id);
    Value last = value(id);
    if (s.positions() == 1) last = {vector_of(id, last), true};
    const std::string name = fresh("logits");
    if (pending_.empty() || pending_.back().output != last.name) {
      last.name = emit("Identity", id, {last.name});
    }
    pending_.back().output = name;
    for (const Pending& p : pending_) file_.add_node(p.op, p.name, p.inputs, p.output, p.attributes);
    std::vector<std::int64_t> extents{batch(), s.channels};
    if (!last.vector) extents.insert(extents.end(), {s.height, s.width});
    file_.add_output(name, extents);
  }

  std::int64_t batch() const { return options_.dynamic_batch ? 0 : options_.batch; }

  // Held back, so that the last one can be given the output's name.
  struct Pending {
    std::string op;
    std::string name;
    std::vector<std::string> inputs;
    std::string output;
    OnnxAttributes attributes;
  };

  const Graph& graph_;
  const ParameterReader& read_;
  const OnnxOptions& options_;
  OnnxFile file_;
  std::vector<Pending> pending_;
  std::vector<Value> values_;
  std::map<std::string, ForeignParameter> parameters_;
  std::set<NodeId> needed_;
  std::map<NodeId, NodeId> folded_into_;
  std::set<std::string> taken_;
  std::set<std::string> node_names_;
  bool have_input_ = false;
};

const std::map<std::string_view, OnnxBuilder::Emit>& OnnxBuilder::table() {
  static const std::map<std::string_view, Emit> ops{
      {"input", &OnnxBuilder::add_input},
      {"conv2d", &OnnxBuilder::add_conv},
      {"linear", &OnnxBuilder::add_linear},
      {"batch_norm", &OnnxBuilder::add_batch_norm},
      {"relu", &OnnxBuilder::add_relu},
      {"dropout", &OnnxBuilder::add_nothing},
      {"add", &OnnxBuilder::add_sum},
      {"concat", &OnnxBuilder::add_concat},
      {"max_pool", &OnnxBuilder::add_max_pool},
      {"avg_pool", &OnnxBuilder::add_avg_pool},
      {"global_avg_pool", &OnnxBuilder::add_global_avg_pool},
      {"flatten", &OnnxBuilder::add_flatten},
      {"pad_channels", &OnnxBuilder::add_gather},
      {"gather_channels", &OnnxBuilder::add_gather},
      {"scatter_add", &OnnxBuilder::add_scatter_add},
  };
  return ops;
}

}  // namespace

std::vector<std::string_view> onnx_ops() {
  std::vector<std::string_view> names;
  for (const auto& [name, emit] : OnnxBuilder::table()) names.push_back(name);
  return names;
}

std::string encode_onnx(const Graph& graph, const ParameterReader& read, const OnnxOptions& options,
                        const Metadata& metadata) {
  require(options.opset >= 13 && options.opset <= 21, "ONNX opsets 13 to 21 are written, not {}",
          options.opset);
  require(options.batch >= 1, "the batch has at least one image, not {}", options.batch);
  return OnnxBuilder(graph, read, options).build(metadata);
}

void write_onnx(const std::filesystem::path& path, const Graph& graph, const ParameterReader& read,
                const OnnxOptions& options, const Metadata& metadata) {
  const std::string bytes = encode_onnx(graph, read, options, metadata);
  write_file_atomically(path, std::as_bytes(std::span(bytes)));
}

}  // namespace secateur
