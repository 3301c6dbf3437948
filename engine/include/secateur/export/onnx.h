// A network for inference as an ONNX file. https://github.com/onnx/onnx/blob/main/docs/IR.md
//
// Input "image": float32 [N, C, H, W], normalised as in training. Output "logits": [N, K], or [N, K, H, W]
// where the network ends in a map. Dropout is left out; channel tables become Gather, Pad and Add; weights
// are float32.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/export/weights.h"
#include "secateur/graph/graph.h"

namespace secateur {

struct OnnxOptions {
  std::int64_t opset = 17;     // 13 to 21
  bool fold_bn = false;        // batch norm into the convolution or linear layer that it alone reads
  bool dynamic_batch = false;  // N is the dimension "batch"
  std::int64_t batch = 1;      // otherwise
};

// The file's bytes. `metadata` goes into the model's metadata_props. Throws Error that names the layer for an
// op without a counterpart, and for a file past 2 GiB, which protobuf cannot hold.
[[nodiscard]] std::string encode_onnx(const Graph& graph, const ParameterReader& read,
                                      const OnnxOptions& options, const Metadata& metadata = {});
// Writes it as write_file_atomically (io/files.h) does.
void write_onnx(const std::filesystem::path& path, const Graph& graph, const ParameterReader& read,
                const OnnxOptions& options, const Metadata& metadata = {});

// Ops that an exported graph may hold.
[[nodiscard]] std::vector<std::string_view> onnx_ops();

}  // namespace secateur
