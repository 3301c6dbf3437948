#include "secateur/backend/gpu_description.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "gpu_files.h"
#include "io/strict_json.h"
#include "secateur/core/error.h"
#include "secateur/core/names.h"

namespace secateur {
namespace {

using Json = nlohmann::json;

// {"device_properties": {"maxGridSize": [..]}}
constexpr int kMaxDepth = 3;

// Keys without which cuDNN refuses a description. All are numbers but the name and the two lists of three.
constexpr std::array kPropertyKeys{"cudaDeviceId",
                                   "deviceVer",
                                   "driverVer",
                                   "isTccDriver",
                                   "l2CacheSize",
                                   "maxCtasPerSM",
                                   "maxRegistersPerSM",
                                   "maxSharedMemoryPerBlock",
                                   "maxSharedMemoryPerBlockOptin",
                                   "maxThreadsPerBlock",
                                   "maxThreadsPerSM",
                                   "memClockRateKHz",
                                   "multiProcessorCount",
                                   "pciDeviceId",
                                   "regsPerBlock",
                                   "reservedSharedMemoryPerBlock",
                                   "smClockRateKHz",
                                   "supportCoopLaunch",
                                   "totalGlobalMem",
                                   "warpSize"};

// Reads the keys of one object; errors name the file and the path of the key.
class Fields {
 public:
  Fields(const Json& object, std::string path, const std::string& origin)
      : object_(object), path_(std::move(path)), origin_(origin) {
    require(object.is_object(), "{}: {} must be an object, got {}", origin,
            path_.empty() ? "the file" : path_, object.type_name());
  }

  [[nodiscard]] const Json& at(const std::string& key) const {
    const auto found = object_.find(key);
    require(found != object_.end(), "{}: '{}' is missing", origin_, full(key));
    return *found;
  }
  [[nodiscard]] Fields object(const std::string& key) const { return {at(key), full(key), origin_}; }
  [[nodiscard]] std::string text(const std::string& key) const {
    const Json& value = at(key);
    require(value.is_string() && !value.get_ref<const std::string&>().empty(),
            "{}: '{}' must be a text, got {}", origin_, full(key), value.dump());
    return value.get<std::string>();
  }
  [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t lowest) const {
    const Json& value = at(key);
    require(value.is_number_integer() && value.get<std::int64_t>() >= lowest,
            "{}: '{}' must be a whole number of at least {}, got {}", origin_, full(key), lowest,
            value.dump());
    return value.get<std::int64_t>();
  }
  // A list of three positive numbers.
  void extents(const std::string& key) const {
    const Json& value = at(key);
    const bool three = value.is_array() && value.size() == 3 && std::ranges::all_of(value, [](const Json& v) {
                         return v.is_number_integer() && v > 0;
                       });
    require(three, "{}: '{}' must be a list of three positive whole numbers, got {}", origin_, full(key),
            value.dump());
  }
  [[nodiscard]] std::string full(const std::string& key) const {
    return path_.empty() ? key : path_ + "." + key;
  }

 private:
  const Json& object_;
  std::string path_;
  const std::string& origin_;
};

// "RTX 3090", "rtx-3090" and "rtx3090" are the same.
std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char c : lower_case(name)) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) plain += c;
  }
  return plain;
}

std::string read_text(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  require(stream.good(), "cannot read the GPU description '{}'", file.string());
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

double GpuDescription::flops(Precision precision) const {
  switch (precision) {
    case Precision::fp32:
      return fp32_flops;
    case Precision::tf32:
      return tf32_flops;
    case Precision::bf16:
      return bf16_flops;
    case Precision::fp16:
      return fp16_flops;
    case Precision::fp64:
      break;
  }
  fail("precision fp64 belongs to the reference device; a GPU computes in fp32, tf32, bf16 or fp16");
}

GpuDescription parse_gpu_description(std::string_view json, const std::string& origin) {
  const Json document = parse_strict_json(json, origin, kMaxDepth);
  const Fields top(document, "", origin);
  const Fields properties = top.object("device_properties");
  for (const char* key : kPropertyKeys) static_cast<void>(properties.integer(key, 0));
  properties.extents("maxGridSize");
  properties.extents("maxBlockSize");
  static_cast<void>(properties.text("deviceName"));

  GpuDescription gpu;
  gpu.name = top.text("name");
  const std::int64_t version = properties.integer("deviceVer", 1);
  require(version % 10 == 0 && version >= 500 && version < 10000,
          "{}: '{}' must be ten times the compute capability without its point (900 for 9.0), got {}", origin,
          properties.full("deviceVer"), version);
  gpu.compute_capability = static_cast<int>(version / 10);
  gpu.multiprocessors = properties.integer("multiProcessorCount", 1);
  gpu.memory_bytes = properties.integer("totalGlobalMem", 1);
  gpu.l2_bytes = properties.integer("l2CacheSize", 1);
  gpu.shared_bytes_per_block_optin = properties.integer("maxSharedMemoryPerBlockOptin", 1);
  const double memory_hertz = 1e3 * static_cast<double>(properties.integer("memClockRateKHz", 1));
  const double bus_bytes = static_cast<double>(top.integer("memory_bus_bits", 8)) / 8;
  gpu.memory_bytes_per_second = memory_hertz * 2 * bus_bytes;

  const Fields rates = top.object("flops_per_clock_and_multiprocessor");
  const double core_hertz = 1e3 * static_cast<double>(properties.integer("smClockRateKHz", 1));
  const double tensor_hertz = 1e3 * static_cast<double>(top.integer("tensor_clock_khz", 1));
  const auto peak = [&](const char* precision, double hertz) {
    return static_cast<double>(rates.integer(precision, 1)) * static_cast<double>(gpu.multiprocessors) *
           hertz;
  };
  gpu.fp32_flops = peak("fp32", core_hertz);
  gpu.tf32_flops = peak("tf32", tensor_hertz);
  gpu.bf16_flops = peak("bf16", tensor_hertz);
  gpu.fp16_flops = peak("fp16", tensor_hertz);
  const Json& sources = top.at("sources");
  const bool texts = sources.is_array() && !sources.empty() &&
                     std::ranges::all_of(sources, [](const Json& line) { return line.is_string(); });
  require(texts, "{}: 'sources' must be a list of texts that say where the figures come from", origin);
  gpu.sources = sources.get<std::vector<std::string>>();
  gpu.properties_json = top.at("device_properties").dump();
  return gpu;
}

std::vector<std::string> gpu_names() {
  std::vector<std::string> names;
  for (const GpuFile& file : kGpuFiles) names.emplace_back(file.name);
  return names;
}

GpuDescription find_gpu(std::string_view name_or_file) {
  const std::string wanted = plain_name(name_or_file);
  for (const GpuFile& file : kGpuFiles) {
    if (wanted == file.name) return parse_gpu_description(file.json, fmt::format("{}.json", file.name));
  }
  const std::filesystem::path path(name_or_file);
  if (std::filesystem::is_regular_file(path)) return parse_gpu_description(read_text(path), path.string());
  require(path.extension() != ".json", "there is no GPU description '{}'", path.string());
  const std::vector<std::string> names = gpu_names();
  fail("unknown GPU '{}': expected one of {}, or a JSON file that `secateur doctor --describe-gpu` wrote{}",
       name_or_file, fmt::join(names, ", "), did_you_mean(name_or_file, names));
}

#ifndef SECATEUR_WITH_CUDA
std::string describe_present_gpu(int ordinal) {
  fail("describing GPU {} takes the CUDA run time and cuDNN, and this build is without CUDA (the cpu preset)",
       ordinal);
}
#endif

std::int64_t gpu_channel_padding(Precision precision) {
  return precision == Precision::bf16 || precision == Precision::fp16 ? 8 : 1;
}

}  // namespace secateur
