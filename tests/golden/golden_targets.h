// Where golden tests run, and how near to PyTorch's float64 they must come there.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "secateur/backend/kernel.h"

namespace secateur::selftest {

struct GoldenTarget {
  std::string name;
  DeviceKind device;
  Precision precision;
  double bound;  // of ||got - golden|| / ||golden||
  bool fuse = true;
  std::int64_t channel_padding = 1;
};

[[nodiscard]] inline std::vector<GoldenTarget> golden_targets() {
  return {{"reference", DeviceKind::reference, Precision::fp64, 1e-11},
          {"reference_unfused", DeviceKind::reference, Precision::fp64, 1e-11, false},
          {"reference_padded", DeviceKind::reference, Precision::fp64, 1e-11, true, 8},
          {"cpu", DeviceKind::cpu, Precision::fp32, 1e-5},
          {"cpu_unfused", DeviceKind::cpu, Precision::fp32, 1e-5, false},
          {"cpu_padded", DeviceKind::cpu, Precision::fp32, 1e-5, true, 8},
          {"cuda", DeviceKind::cuda, Precision::fp32, 1e-5}};
}

[[nodiscard]] inline std::string golden_target_name(const ::testing::TestParamInfo<GoldenTarget>& info) {
  return info.param.name;
}

}  // namespace secateur::selftest
