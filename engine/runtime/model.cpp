#include "secateur/runtime/model.h"

#include <algorithm>
#include <cmath>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"

namespace secateur {
namespace {

// Parameters start on cache lines, also in float32.
constexpr std::int64_t kParameterAlignment = 16;
// Regions of the slab start where the widest loads of any device may begin.
constexpr std::int64_t kRegionAlignment = 64;

}  // namespace

std::int64_t ParameterLayout::bytes(DType type, bool averaged) const {
  return ((averaged ? 2 : 1) * value_elements() + 2 * trained_elements) * size_of(type);
}

ParameterLayout plan_parameters(const Graph& graph) {
  ParameterLayout layout;
  layout.of_node.resize(static_cast<std::size_t>(graph.size()));
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    for (ParameterSpec& spec : find_op(node.op).parameters(node, graph.input_shapes(id))) {
      layout.of_node[static_cast<std::size_t>(id)].push_back(
          static_cast<std::int64_t>(layout.parameters.size()));
      std::string name = node.name + "." + spec.role;
      layout.parameters.push_back({std::move(name), id, std::move(spec), 0});
    }
  }
  for (auto p = layout.parameters.rbegin(); p != layout.parameters.rend(); ++p) {
    if (!is_trained(p->spec.kind)) continue;
    p->offset = layout.trained_elements;
    layout.trained_elements += align_up(p->spec.shape.count(), kParameterAlignment);
  }
  layout.trained_elements = align_up(layout.trained_elements, kRegionAlignment);
  for (Parameter& p : layout.parameters) {
    if (is_trained(p.spec.kind)) continue;
    p.offset = layout.trained_elements + layout.statistics_elements;
    layout.statistics_elements += align_up(p.spec.shape.count(), kParameterAlignment);
  }
  layout.statistics_elements = align_up(layout.statistics_elements, kRegionAlignment);
  return layout;
}

Model::Model(Graph graph, Device& device)
    : graph_(std::move(graph)),
      device_(&device),
      dtype_(device.kind() == DeviceKind::reference ? DType::f64 : DType::f32),
      layout_(plan_parameters(graph_)),
      slab_(device, layout_.bytes(dtype_)) {
  const auto stream = device.make_stream();
  stream->zero(slab_.data(), slab_.bytes());
  stream->synchronize();
}

Model& Model::operator=(Model&& other) noexcept {
  device_ = other.device_;
  dtype_ = other.dtype_;
  averaged_ = other.averaged_;
  replace(std::move(other.graph_), std::move(other.layout_), std::move(other.slab_));
  return *this;
}

std::int64_t Model::find_parameter(std::string_view name) const {
  for (std::size_t i = 0; i < layout_.parameters.size(); ++i) {
    if (layout_.parameters[i].name == name) return static_cast<std::int64_t>(i);
  }
  fail("the model has no parameter called '{}'", name);
}

Tensor Model::tensor_at(std::int64_t parameter, std::int64_t region_elements) const {
  const Parameter& p = layout_.parameters.at(static_cast<std::size_t>(parameter));
  return {slab_.at((region_elements + p.offset) * size_of(dtype_)), dtype_, p.spec.shape};
}

Tensor Model::value(std::int64_t parameter) const { return tensor_at(parameter, 0); }

Tensor Model::gradient(std::int64_t parameter) const {
  if (!is_trained(layout_.parameters.at(static_cast<std::size_t>(parameter)).spec.kind)) return {};
  return tensor_at(parameter, layout_.value_elements());
}

Tensor Model::momentum(std::int64_t parameter) const {
  if (!is_trained(layout_.parameters.at(static_cast<std::size_t>(parameter)).spec.kind)) return {};
  return tensor_at(parameter, layout_.value_elements() + layout_.trained_elements);
}

Tensor Model::average(std::int64_t parameter) const {
  if (!averaged_) return {};
  return tensor_at(parameter, layout_.value_elements() + 2 * layout_.trained_elements);
}

void* Model::gradients() const { return slab_.at(layout_.value_elements() * size_of(dtype_)); }

void* Model::momenta() const {
  return slab_.at((layout_.value_elements() + layout_.trained_elements) * size_of(dtype_));
}

void* Model::averages() const {
  require(averaged_, "the model keeps no averages of its weights");
  return slab_.at((layout_.value_elements() + 2 * layout_.trained_elements) * size_of(dtype_));
}

void Model::move_slab(bool averaged, Stream& stream) {
  Slab slab(*device_, layout_.bytes(dtype_, averaged));
  stream.copy(slab.data(), slab_.data(), layout_.bytes(dtype_));
  stream.synchronize();
  slab_ = std::move(slab);
  averaged_ = averaged;
  ++generation_;
}

void Model::keep_averages(Stream& stream) {
  if (averaged_) return;
  move_slab(true, stream);
  restart_averages(stream);
}

void Model::restart_averages(Stream& stream) {
  stream.copy(averages(), values(), layout_.value_elements() * size_of(dtype_));
}

void Model::adopt_averages(Stream& stream) {
  if (!averaged_) return;
  stream.copy(values(), averages(), layout_.value_elements() * size_of(dtype_));
  move_slab(false, stream);
}

void Model::initialize(std::uint64_t seed, Stream& stream) {
  stream.zero(slab_.data(), slab_.bytes());
  for (std::size_t i = 0; i < layout_.parameters.size(); ++i) {
    const ParameterSpec& spec = layout_.parameters[i].spec;
    std::vector<double> values(static_cast<std::size_t>(spec.shape.count()), 0.0);
    switch (spec.kind) {
      case ParameterKind::weight: {
        RandomSequence random(seed, RngPurpose::initialization, static_cast<std::uint32_t>(i));
        const double deviation = std::sqrt(2.0 / static_cast<double>(spec.fan_in));
        // Through float, so that the float64 reference starts from the very same weights.
        for (double& value : values) value = static_cast<float>(deviation * random.normal());
        break;
      }
      case ParameterKind::norm_scale:
      case ParameterKind::running_variance:
        std::ranges::fill(values, 1.0);
        break;
      case ParameterKind::bias:
      case ParameterKind::norm_shift:
      case ParameterKind::running_mean:
        break;
    }
    write(static_cast<std::int64_t>(i), values, stream);
  }
  if (averaged_) restart_averages(stream);
}

std::vector<double> Model::read(std::int64_t parameter, Stream& stream) const {
  return read_values(value(parameter), stream);
}

void Model::write(std::int64_t parameter, std::span<const double> values, Stream& stream) {
  write_values(value(parameter), values, stream);
}

// A writer is a handle. NOLINTNEXTLINE(performance-unnecessary-value-param)
void Model::save(StateWriter writer, Stream& stream) const {
  graph_.save(writer.scope("graph"));
  const auto stored = [&](const Tensor& tensor) {
    StoredTensor copy{dtype_, tensor.shape,
                      std::vector<std::byte>(static_cast<std::size_t>(tensor.stored_bytes()))};
    stream.copy_to_host(copy.bytes.data(), tensor.data, tensor.stored_bytes());
    return copy;
  };
  StateWriter values = writer.scope("parameters");
  StateWriter momenta = writer.scope("momentum");
  StateWriter averages = writer.scope("averages");
  for (std::size_t i = 0; i < layout_.parameters.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    values.set(layout_.parameters[i].name, stored(value(index)));
    if (const Tensor velocity = momentum(index); !velocity.empty()) {
      momenta.set(layout_.parameters[i].name, stored(velocity));
    }
    if (averaged_) averages.set(layout_.parameters[i].name, stored(average(index)));
  }
}

void Model::restore(const StateReader& reader, Stream& stream) {
  require(Graph::load(reader.scope("graph")) == graph_,
          "the stored network is not the one it is restored into");
  const auto take = [&](const StateReader& from, const std::string& name, const Tensor& into) {
    const auto& stored = from.get<StoredTensor>(name);
    require(stored.shape == into.shape, "stored parameter '{}' has shape {}, the network needs {}", name,
            stored.shape.to_string(), into.shape.to_string());
    require(stored.dtype == DType::f32 || stored.dtype == DType::f64,
            "stored parameter '{}' is {}, not f32 or f64", name, name_of(stored.dtype));
    const auto count = static_cast<std::size_t>(into.count());
    require(stored.bytes.size() == count * static_cast<std::size_t>(size_of(stored.dtype)),
            "stored parameter '{}' has {} bytes, expected {}", name, stored.bytes.size(),
            count * static_cast<std::size_t>(size_of(stored.dtype)));
    std::vector<double> values(count);
    const auto element = static_cast<std::size_t>(size_of(stored.dtype));
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = decode_element(stored.dtype, stored.bytes.data() + i * element);
    }
    write_values(into, values, stream);
  };
  const StateReader values = reader.scope("parameters");
  const StateReader momenta = reader.scope("momentum");
  const StateReader averages = reader.contains("averages") ? reader.scope("averages") : values;
  for (std::size_t i = 0; i < layout_.parameters.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const std::string& name = layout_.parameters[i].name;
    take(values, name, value(index));
    if (const Tensor velocity = momentum(index); !velocity.empty() && momenta.contains(name)) {
      take(momenta, name, velocity);
    }
    if (averaged_) take(averages, name, average(index));
  }
}

Model Model::load(const StateReader& reader, Device& device, Stream& stream) {
  Graph graph = Graph::load(reader.scope("graph"));
  // A graph may not make the program allocate what the file does not hold.
  const StateReader stored = reader.scope("parameters");
  for (const Parameter& parameter : plan_parameters(graph).parameters) {
    const Shape& shape = stored.get<StoredTensor>(parameter.name).shape;
    require(shape == parameter.spec.shape, "stored parameter '{}' has shape {}, the network needs {}",
            parameter.name, shape.to_string(), parameter.spec.shape.to_string());
  }
  Model model(std::move(graph), device);
  if (reader.contains("averages")) model.keep_averages(stream);
  model.restore(reader, stream);
  return model;
}

void Model::replace(Graph graph, ParameterLayout layout, Slab slab) noexcept {
  graph_ = std::move(graph);
  layout_ = std::move(layout);
  slab_ = std::move(slab);
  ++generation_;
}

Model Model::clone(Device& device, Stream& source_stream, Stream& target_stream) const {
  Model copy(graph_, device);
  if (averaged_) copy.keep_averages(target_stream);
  for (std::size_t i = 0; i < layout_.parameters.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    copy.write(index, read(index, source_stream), target_stream);
    if (const Tensor velocity = momentum(index); !velocity.empty()) {
      write_values(copy.momentum(index), read_values(velocity, source_stream), target_stream);
    }
    if (averaged_) {
      write_values(copy.average(index), read_values(average(index), source_stream), target_stream);
    }
  }
  return copy;
}

}  // namespace secateur
