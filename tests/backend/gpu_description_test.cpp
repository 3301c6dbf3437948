// Descriptions of GPUs: the project's own against the makers' data sheets, and files that are wrong.
#include "secateur/backend/gpu_description.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "secateur/core/error.h"
#include "test_paths.h"

namespace secateur {
namespace {

// TB/s and TFLOP/s as the data sheets print them.
struct DataSheet {
  const char* name;
  int compute_capability;
  double memory, fp32, tf32, half;
  double tolerance;
};

TEST(GpuDescription, AgreesWithTheDataSheets) {
  const std::vector<DataSheet> sheets{
      {"a100", 80, 2.039, 19.5, 156, 312, 0.01},       {"h100", 90, 3.35, 67, 495, 989, 0.01},
      {"h200", 90, 4.8, 67, 495, 989, 0.03},           {"rtx3090", 86, 0.936, 35.6, 35.6, 71, 0.01},
      {"rtx4090", 89, 1.008, 82.6, 82.6, 165.2, 0.01}, {"l4", 89, 0.3, 30.3, 60, 121, 0.02}};
  EXPECT_EQ(gpu_names().size(), sheets.size());
  for (const DataSheet& sheet : sheets) {
    SCOPED_TRACE(sheet.name);
    const GpuDescription gpu = find_gpu(sheet.name);
    EXPECT_EQ(gpu.compute_capability, sheet.compute_capability);
    const auto near = [&](double found, double tera) {
      EXPECT_NEAR(found / 1e12, tera, tera * sheet.tolerance);
    };
    near(gpu.memory_bytes_per_second, sheet.memory);
    near(gpu.flops(Precision::fp32), sheet.fp32);
    near(gpu.flops(Precision::tf32), sheet.tf32);
    near(gpu.flops(Precision::bf16), sheet.half);
    near(gpu.flops(Precision::fp16), sheet.half);
    EXPECT_FALSE(gpu.sources.empty());
    EXPECT_THROW(static_cast<void>(gpu.flops(Precision::fp64)), Error);
  }
}

TEST(GpuDescription, NamesAreFoundAsPeopleWriteThem) {
  EXPECT_EQ(find_gpu("RTX 3090").name, find_gpu("rtx-3090").name);
  try {
    static_cast<void>(find_gpu("h20"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean 'h200'"), std::string::npos) << error.what();
  }
  EXPECT_THROW(static_cast<void>(find_gpu("no-such-file.json")), Error);
}

nlohmann::json valid() {
  std::ifstream file(std::string(test::kSourceDir) + "/engine/backend/gpus/l4.json");
  return nlohmann::json::parse(file);
}

TEST(GpuDescription, AFileOfTheSameFormIsRead) {
  const auto path = std::filesystem::temp_directory_path() / ("gpu-" + std::to_string(::getpid()) + ".json");
  nlohmann::json described = valid();
  described["name"] = "my GPU";
  std::ofstream(path) << described;
  const GpuDescription gpu = find_gpu(path.string());
  EXPECT_EQ(gpu.name, "my GPU");
  EXPECT_EQ(gpu.multiprocessors, 58);
  EXPECT_EQ(nlohmann::json::parse(gpu.properties_json), described["device_properties"]);
  std::filesystem::remove(path);
}

TEST(GpuDescription, WrongFilesSayWhatIsWrong) {
  struct Fault {
    const char* says;
    std::function<void(nlohmann::json&)> make;
  };
  const std::vector<Fault> faults{
      {"'memory_bus_bits' is missing", [](auto& d) { d.erase("memory_bus_bits"); }},
      {"'device_properties.l2CacheSize' is missing",
       [](auto& d) { d["device_properties"].erase("l2CacheSize"); }},
      {"'device_properties.multiProcessorCount' must be a whole number of at least 1, got 0",
       [](auto& d) { d["device_properties"]["multiProcessorCount"] = 0; }},
      {"'device_properties.maxGridSize' must be a list of three",
       [](auto& d) {
         d["device_properties"]["maxGridSize"] = {1, 2};
       }},
      {"must be ten times the compute capability", [](auto& d) { d["device_properties"]["deviceVer"] = 89; }},
      {"'flops_per_clock_and_multiprocessor.bf16' must be a whole number of at least 1, got \"fast\"",
       [](auto& d) { d["flops_per_clock_and_multiprocessor"]["bf16"] = "fast"; }},
      {"'name' must be a text", [](auto& d) { d["name"] = 4; }},
      {"'sources' must be a list", [](auto& d) { d["sources"] = "trust me"; }},
      {"device_properties must be an object, got array", [](auto& d) { d["device_properties"] = {1}; }}};
  EXPECT_NO_THROW(static_cast<void>(parse_gpu_description(valid().dump(), "good.json")));
  for (const Fault& fault : faults) {
    nlohmann::json document = valid();
    fault.make(document);
    try {
      static_cast<void>(parse_gpu_description(document.dump(), "bad.json"));
      ADD_FAILURE() << "accepted: " << fault.says;
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with("bad.json: ")) << message;
      EXPECT_NE(message.find(fault.says), std::string::npos) << message;
    }
  }
  EXPECT_THROW(static_cast<void>(parse_gpu_description("{\"name\": ", "cut.json")), Error);
  EXPECT_THROW(static_cast<void>(parse_gpu_description("[]", "list.json")), Error);
}

}  // namespace
}  // namespace secateur
