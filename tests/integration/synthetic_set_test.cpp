// The built-in set is worth learning: a small network gets it, in the time that the demo has for it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "test_paths.h"

namespace secateur {
namespace {

TEST(SyntheticSet, ASmallNetworkPassesNinetyPercent) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("secateur-synthetic-" + std::to_string(::getpid()));
  const std::string command = std::string(test::kProgram) +
                              " train --model resnet8 --data synthetic --synthetic-train 6000 "
                              "--synthetic-test 2000 --validation 1000 --batch 64 --epochs 12 "
                              "--learning-rate 0.2 --schedule onecycle --nesterov --out " +
                              folder.string() + " > /dev/null";
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c): the command is ours
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  double top1 = 0;
  std::ifstream log(folder / "run.jsonl");
  for (std::string line; std::getline(log, line);) {
    const nlohmann::json event = nlohmann::json::parse(line);
    if (event.at("event") == "result") top1 = event.at("top1");
  }
  std::filesystem::remove_all(folder);
  // The time is printed, not asserted: a busy machine is no defect of the set.
  std::cout << "top-1 " << top1 << " on the test images in " << elapsed.count() << " s\n";
  EXPECT_GT(top1, 0.9);
}

}  // namespace
}  // namespace secateur
