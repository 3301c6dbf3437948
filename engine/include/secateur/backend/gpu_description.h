// What is known of a GPU without having it: enough for cuDNN to make its plans, and for floors of running
// time.
//
// The project describes some GPUs itself (gpu_names); a user describes others in a JSON file of the same form
// (engine/backend/gpus/*.json; `secateur doctor --describe-gpu` writes the one of a GPU that is present).
// Needs nothing of CUDA and is part of every build.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/backend/kernel.h"

namespace secateur {

struct GpuDescription {
  std::string name;            // "NVIDIA H200"
  int compute_capability = 0;  // 90
  std::int64_t multiprocessors = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t l2_bytes = 0;
  std::int64_t shared_bytes_per_block_optin = 0;
  double memory_bytes_per_second = 0;  // memory clock x 2 x bus width: the limit, not what a copy reaches
  // Dense, multiply and add counted as two, accumulation in fp32, from clocks and multiprocessors.
  double fp32_flops = 0;
  double tf32_flops = 0;
  double bf16_flops = 0;
  double fp16_flops = 0;
  // Where the figures come from, a sentence each.
  std::vector<std::string> sources;
  std::string properties_json;  // as cuDNN's device-properties descriptor takes it

  // Peak of a precision; throws Error for fp64, which is the reference's alone.
  [[nodiscard]] double flops(Precision precision) const;
};

// One of gpu_names(), capitals, spaces and dashes not regarded, or a JSON file. Throws Error that lists the
// names, or names the file, the key, what was expected and what came.
[[nodiscard]] GpuDescription find_gpu(std::string_view name_or_file);
// "a100", "h100", ...
[[nodiscard]] std::vector<std::string> gpu_names();
// `origin` is named in errors.
[[nodiscard]] GpuDescription parse_gpu_description(std::string_view json, const std::string& origin);

// The description of a GPU of this machine, as a file for find_gpu. Throws Error when this build is without
// CUDA or there is no GPU of that ordinal.
[[nodiscard]] std::string describe_present_gpu(int ordinal);

// What channel axes of activations and of compute-precision filters are padded to on a GPU: tensor cores read
// eight 16-bit lanes at once.
[[nodiscard]] std::int64_t gpu_channel_padding(Precision precision);

}  // namespace secateur
