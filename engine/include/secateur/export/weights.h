// Weights in the layout that other frameworks take, and files of them.
//
// Own layouts are channels last: filters [K, R, S, C], features behind a flatten in the order (y, x, c).
// Files hold PyTorch's: filters [K, C, R, S], and what lies behind a flatten of more than one position in the
// order (c, y, x). Vectors and other matrices are the same in both.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "secateur/graph/graph.h"
#include "secateur/graph/op.h"
#include "secateur/io/safetensors.h"

namespace secateur {

// Access to a model's parameters by name, in own layout: the engine's Model fits (read and write).
using ParameterReader = std::function<std::vector<double>(const std::string& name)>;
using ParameterWriter = std::function<void(const std::string& name, std::span<const double> values)>;

// Own parameter name -> name in a file.
using ParameterNames = std::map<std::string, std::string, std::less<>>;

struct ForeignParameter {
  std::string name;  // own
  NodeId node = -1;
  ParameterSpec spec;
  Shape shape;                      // foreign
  std::vector<std::int64_t> order;  // foreign element i is own element order[i]; empty: the same order

  [[nodiscard]] std::vector<double> to_foreign(std::vector<double> own) const;
  [[nodiscard]] std::vector<double> from_foreign(std::vector<double> foreign) const;
};

// All parameters in graph order. Throws Error where a flattened map runs into an op of which no foreign
// layout is known (concat, add and gathers of flattened maps).
[[nodiscard]] std::vector<ForeignParameter> foreign_parameters(const Graph& graph);

// Keys of the metadata in files that write_weights() makes.
inline constexpr const char* kGraphKey = "secateur.graph";  // graph_to_json()
inline constexpr const char* kNamesKey = "secateur.names";  // own parameter name -> name in the file, JSON

// Writes all parameters as f32 under `names`, with the graph and the names in the metadata, and `extra`.
void write_weights(const std::filesystem::path& path, const Graph& graph, const ParameterReader& read,
                   const ParameterNames& names, const Metadata& extra = {});

// Hands every parameter of the graph to `write`, found in the file under `names`. Throws Error, before the
// first is handed over, that names the file and the tensor: one that is missing, of another shape or no
// floating type, one that holds NaN or infinity, and tensors that the graph has no use for
// (num_batches_tracked, which PyTorch counts, is passed over).
void read_weights(const Safetensors& file, const Graph& graph, const ParameterNames& names,
                  const ParameterWriter& write);

// What write_weights() put into the metadata; throws Error when it is not there or not valid.
[[nodiscard]] Graph stored_graph(const Safetensors& file);
[[nodiscard]] ParameterNames stored_names(const Safetensors& file);

}  // namespace secateur
