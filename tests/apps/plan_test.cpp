// secateur plan as its users run it, on a machine that need not have a GPU.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "secateur/backend/gpu_description.h"
#include "test_paths.h"

namespace secateur {
namespace {

struct Outcome {
  int code = -1;
  std::string text;  // both outputs
};

Outcome run(const std::string& arguments) {
  const std::string command = std::string(test::kProgram) + " " + arguments + " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");  // NOLINT(cert-env33-c): arguments are ours
  if (pipe == nullptr) return {};
  Outcome outcome;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    outcome.text.append(buffer.data(), n);
  }
  const int status = ::pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

TEST(PlanCommand, ListsAndShowsGpus) {
  const Outcome listed = run("plan");
  EXPECT_EQ(listed.code, 0);
  for (const std::string& name : gpu_names()) EXPECT_NE(listed.text.find(name), std::string::npos);
  const Outcome shown = run("plan --gpu 'RTX 3090'");
  EXPECT_EQ(shown.code, 0);
  EXPECT_NE(shown.text.find("936 GB/s"), std::string::npos) << shown.text;
  EXPECT_NE(shown.text.find("white paper"), std::string::npos) << shown.text;
}

TEST(PlanCommand, MistakesAreExplained) {
  const Outcome unknown = run("plan --gpu h20 resnet20");
  EXPECT_EQ(unknown.code, 1);
  EXPECT_NE(unknown.text.find("did you mean 'h200'"), std::string::npos) << unknown.text;
  const Outcome batch = run("plan --gpu h200 resnet20 --batch 0");
  EXPECT_EQ(batch.code, 1);
  EXPECT_NE(batch.text.find("--batch"), std::string::npos) << batch.text;
  EXPECT_EQ(run("plan --gpu h200 resnet20 --precision fp64").code, 1);
  EXPECT_EQ(run("plan --gpu h200 no-such-network").code, 1);
}

#ifdef SECATEUR_WITH_CUDA
TEST(PlanCommand, CudaPlansANetworkWithNoGpu) {
  const Outcome text = run("plan --gpu rtx3090 resnet20 --precision bf16");
  ASSERT_EQ(text.code, 0) << text.text;
  EXPECT_NE(text.text.find("none is needed, nothing ran"), std::string::npos) << text.text;
  const Outcome outcome = run("plan --gpu rtx3090 resnet20 --precision bf16 --batch 64 --json");
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const nlohmann::json plan = nlohmann::json::parse(outcome.text);
  EXPECT_EQ(plan.at("passes_without_engine"), 0);
  EXPECT_EQ(plan.at("batch"), 64);
  EXPECT_TRUE(plan.at("gpu_is_described_only"));
  // 19 convolutions and two projections; the first needs no input gradient.
  ASSERT_EQ(plan.at("layers").size(), 21U);
  EXPECT_EQ(plan.at("layers")[0].at("passes").size(), 2U);
  EXPECT_EQ(plan.at("layers")[1].at("passes").size(), 3U);
  for (const auto& layer : plan.at("layers")) {
    EXPECT_TRUE(layer.at("width_losses").empty()) << layer;
    for (const auto& pass : layer.at("passes")) EXPECT_GT(pass.at("floor_seconds").get<double>(), 0.0);
  }
  EXPECT_GT(plan.at("memory").at("largest_batch"), 64);
  EXPECT_GT(plan.at("memory").at("step_bytes"), plan.at("memory").at("model_bytes"));
}
#else
TEST(PlanCommand, ABuildWithoutCudaSaysSo) {
  const Outcome outcome = run("plan --gpu h200 resnet20");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.text.find("this build is without CUDA"), std::string::npos) << outcome.text;
  EXPECT_NE(outcome.text.find("cmake --preset cuda"), std::string::npos) << outcome.text;
  EXPECT_NE(run("doctor --describe-gpu").text.find("without CUDA"), std::string::npos);
}
#endif

}  // namespace
}  // namespace secateur
