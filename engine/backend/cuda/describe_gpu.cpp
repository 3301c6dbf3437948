#include <cuda_runtime_api.h>

#include <array>
#include <nlohmann/json.hpp>

#include "secateur/backend/conv_plan.h"
#include "secateur/backend/gpu_description.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

using Json = nlohmann::json;

// Dense operations a clock of one multiprocessor, multiply and add counted as two, sums in fp32.
struct Rates {
  int compute_capability;
  bool geforce;  // consumer cards accumulate in fp32 at half the rate
  std::int64_t fp32, tf32, half;
  const char* source;
};
constexpr std::array kRates{Rates{80, false, 128, 1024, 2048, "NVIDIA A100 white paper"},
                            Rates{86, true, 256, 256, 512, "NVIDIA GA102 white paper, GeForce"},
                            Rates{86, false, 256, 512, 1024, "NVIDIA GA102 white paper"},
                            Rates{89, true, 256, 256, 512, "NVIDIA Ada white paper, GeForce"},
                            Rates{89, false, 256, 512, 1024, "NVIDIA L4 data sheet"},
                            Rates{90, false, 256, 2048, 4096, "NVIDIA H100 white paper"}};

int attribute(cudaDeviceAttr name, int ordinal) {
  int value = 0;
  const cudaError_t error = cudaDeviceGetAttribute(&value, name, ordinal);
  require(error == cudaSuccess, "GPU {}: {}", ordinal, cudaGetErrorString(error));
  return value;
}

}  // namespace

std::string describe_present_gpu(int ordinal) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  require(error == cudaSuccess && ordinal < count, "there is no CUDA GPU {} here: {}", ordinal,
          error == cudaSuccess ? fmt::format("{} found", count) : cudaGetErrorString(error));
  const Json properties = Json::parse(device_properties_json(ordinal));
  const std::string name = properties.at("deviceName").get<std::string>();
  const int capability = 10 * attribute(cudaDevAttrComputeCapabilityMajor, ordinal) +
                         attribute(cudaDevAttrComputeCapabilityMinor, ordinal);
  const bool geforce = name.find("GeForce") != std::string::npos;
  Rates rates{
      capability,
      geforce,
      256,
      256,
      256,
      "unknown for this compute capability: plain fp32 multiply-adds are written for all, correct them"};
  for (const Rates& known : kRates) {
    if (known.compute_capability == capability && known.geforce == geforce) rates = known;
  }
  const Json description{
      {"name", name},
      {"memory_bus_bits", attribute(cudaDevAttrGlobalMemoryBusWidth, ordinal)},
      {"tensor_clock_khz", properties.at("smClockRateKHz")},
      {"flops_per_clock_and_multiprocessor",
       {{"fp32", rates.fp32}, {"tf32", rates.tf32}, {"bf16", rates.half}, {"fp16", rates.half}}},
      {"sources",
       {"Clocks, bus width, sizes: read from this GPU by CUDA and cuDNN.",
        fmt::format("Operations a clock: {}.", rates.source),
        "The tensor clock is the highest clock of the multiprocessors, which tensor cores may not hold."}},
      {"device_properties", properties}};
  return description.dump(2);
}

}  // namespace secateur
