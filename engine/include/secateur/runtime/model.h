// Model: a Graph with its parameters on a device.
//
// Everything lies in one slab: trained values, then running statistics, then gradients, then momentum, then,
// where they are asked for, moving averages of values and statistics; each region contiguous, so that the
// weight update is one pass. Trained parameters stand in the order in which
// the backward pass finishes their gradients (last layer first). Masters are float32, or float64 on the
// reference device; stored width is the logical width here on every device.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "secateur/core/device.h"
#include "secateur/core/slab.h"
#include "secateur/core/tensor.h"
#include "secateur/graph/graph.h"
#include "secateur/graph/op.h"
#include "secateur/io/state_tree.h"

namespace secateur {

struct Parameter {
  std::string name;  // "conv1.weight": the node's name and the parameter's role
  NodeId node = -1;
  ParameterSpec spec;
  std::int64_t offset = 0;  // elements from the start of the values
};

// Where the parameters of a graph lie, known before anything is allocated.
struct ParameterLayout {
  std::vector<Parameter> parameters;  // in graph order
  std::vector<std::vector<std::int64_t>>
      of_node;                        // indices of a node's parameters, in the order of Op::parameters
  std::int64_t trained_elements = 0;  // with padding between parameters
  std::int64_t statistics_elements = 0;
  [[nodiscard]] std::int64_t value_elements() const { return trained_elements + statistics_elements; }
  // Of the whole slab: values, gradients and momentum, and averages where they are kept.
  [[nodiscard]] std::int64_t bytes(DType type, bool averaged = false) const;
};
[[nodiscard]] ParameterLayout plan_parameters(const Graph& graph);

class Model {
 public:
  // Allocates and zeroes; call initialize() or restore() next. The device must outlive the model.
  Model(Graph graph, Device& device);
  Model(Model&&) noexcept = default;
  // Counts as a replacement: what was compiled for either model must be compiled anew.
  Model& operator=(Model&& other) noexcept;

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] Device& device() const { return *device_; }
  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] const ParameterLayout& layout() const { return layout_; }
  [[nodiscard]] std::span<const Parameter> parameters() const { return layout_.parameters; }
  // Index of the parameter called `name`; throws Error when there is none.
  [[nodiscard]] std::int64_t find_parameter(std::string_view name) const;

  [[nodiscard]] Tensor value(std::int64_t parameter) const;
  // Empty for running statistics.
  [[nodiscard]] Tensor gradient(std::int64_t parameter) const;
  [[nodiscard]] Tensor momentum(std::int64_t parameter) const;
  // Empty unless averaged().
  [[nodiscard]] Tensor average(std::int64_t parameter) const;

  // The regions of the slab. Trained values, gradients and momentum are each layout().trained_elements long.
  [[nodiscard]] void* values() const { return slab_.data(); }
  [[nodiscard]] void* gradients() const;
  [[nodiscard]] void* momenta() const;
  // Laid out as the values, layout().value_elements() long.
  [[nodiscard]] void* averages() const;
  [[nodiscard]] std::int64_t bytes() const { return slab_.bytes(); }

  // Counts replacements of graph or slab: a Program compiled for another generation refuses to run.
  [[nodiscard]] std::int64_t generation() const { return generation_; }

  // He initialisation (He et al. 2015): weights normal with deviation sqrt(2 / fan_in), biases 0, batch norm
  // 1 and 0, running mean 0 and variance 1, momentum 0. The same seed gives the same values on every device.
  void initialize(std::uint64_t seed, Stream& stream);

  // Averages of values and statistics (train/weight_average.h moves them). keep: from the present values on;
  // what is kept already goes on. restart: from the present values again. adopt: they take the values' place
  // and are no longer kept. All but restart move the slab: what was compiled must be compiled anew.
  [[nodiscard]] bool averaged() const { return averaged_; }
  void keep_averages(Stream& stream);
  void restart_averages(Stream& stream);
  void adopt_averages(Stream& stream);

  // Parameter values by name, on the host in the model's element type.
  [[nodiscard]] std::vector<double> read(std::int64_t parameter, Stream& stream) const;
  void write(std::int64_t parameter, std::span<const double> values, Stream& stream);

  // Graph, values, statistics, momentum and averages. restore() needs the same graph, and starts averages
  // that are kept here and not stored from the values; load() builds the model from what it finds.
  void save(StateWriter writer, Stream& stream) const;
  void restore(const StateReader& reader, Stream& stream);
  [[nodiscard]] static Model load(const StateReader& reader, Device& device, Stream& stream);

  // Takes the place of graph and slab in one step that cannot fail: the Surgeon's last move. `slab` is laid
  // out as plan_parameters(graph) says, with averages where they are kept.
  void replace(Graph graph, ParameterLayout layout, Slab slab) noexcept;

  // A copy on the same or another device (values, statistics, momentum, averages).
  [[nodiscard]] Model clone(Device& device, Stream& source_stream, Stream& target_stream) const;

 private:
  [[nodiscard]] Tensor tensor_at(std::int64_t parameter, std::int64_t region_elements) const;
  void move_slab(bool averaged, Stream& stream);

  Graph graph_;
  Device* device_;
  DType dtype_;
  ParameterLayout layout_;
  Slab slab_;
  bool averaged_ = false;
  std::int64_t generation_ = 0;
};

}  // namespace secateur
