// Every check that `secateur selftest` makes, a test each: ops, whole networks and pruning on a device
// against the float64 reference.
#include <gtest/gtest.h>

#include "secateur/backend/open_device.h"
#include "selftest/check.h"
#include "selftest/op_run.h"

namespace secateur::selftest {
namespace {

struct DeviceCheck {
  DeviceKind device;
  Check check;
};

void PrintTo(const DeviceCheck& tested, std::ostream* stream) { *stream << tested.check.name; }

class Selftest : public ::testing::TestWithParam<DeviceCheck> {};

TEST_P(Selftest, Passes) {
  SCOPED_TRACE(fmt::format("SECATEUR_TEST_SEED={}", test_seed()));
  if (const auto reason = why_no_device(GetParam().device)) GTEST_SKIP() << *reason;
  const Comparison comparison = GetParam().check.run();
  EXPECT_TRUE(comparison.passed()) << comparison.failure();
}

std::vector<DeviceCheck> checks() {
  std::vector<DeviceKind> devices;
#ifndef SECATEUR_SIMULATED_CUDA
  devices.push_back(DeviceKind::cpu);
#endif
#if defined(SECATEUR_WITH_CUDA) || defined(SECATEUR_SIMULATED_CUDA)
  devices.push_back(DeviceKind::cuda);
#endif
  std::vector<DeviceCheck> result;
  for (const DeviceKind device : devices) {
    for (Check& check : all_checks(device)) {
#ifdef SECATEUR_SIMULATED_CUDA
      if (check.slow) continue;  // minutes each where every thread of a GPU is a fiber
#endif
      result.push_back({device, std::move(check)});
    }
  }
  return result;
}

std::string check_name(const ::testing::TestParamInfo<DeviceCheck>& info) {
  const auto& [device, check] = info.param;
  return fmt::format("{}_{}_{}_{}", check.part, check.name, name_of(device), name_of(check.precision));
}

INSTANTIATE_TEST_SUITE_P(Devices, Selftest, ::testing::ValuesIn(checks()), check_name);

}  // namespace
}  // namespace secateur::selftest
