// Checks of a device by the program itself: each computes something there and on the float64 reference, and
// tells how far the two are apart. They need no test framework, no files and no network.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/core/device.h"

namespace secateur::selftest {

// The worst comparison of a check: error / bound is what counts, and 1 is the limit.
class Comparison {
 public:
  // ||got - reference|| / ||reference||. What is exactly zero is compared with values of size 1, and so is
  // one element alone, which may be a sum that cancels. Different lengths, and NaN, fail.
  void add(const std::vector<double>& got, const std::vector<double>& reference, double bound,
           const std::string& what);
  void add(const std::vector<std::vector<double>>& got, const std::vector<std::vector<double>>& reference,
           double bound, const std::string& what);
  void require(bool condition, const std::string& what);

  [[nodiscard]] bool passed() const { return failure_.empty(); }
  // The first failure; empty when there is none.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  // Largest error as a part of its bound.
  [[nodiscard]] double worst() const { return worst_; }

 private:
  double worst_ = 0;
  std::string failure_;
};

struct Check {
  std::string part;  // ops, networks, pruning
  std::string name;
  Precision precision = Precision::fp32;
  bool slow = false;  // a whole network at its real size
  std::function<Comparison()> run;
};

// Precisions in which a device computes.
[[nodiscard]] std::vector<Precision> precisions_of(DeviceKind device);

// Accumulated rounding of one op: the precision with which products are taken and results stored.
[[nodiscard]] double op_bound(Precision precision);
// The same of what a whole network puts out, and of its gradients: these are further off, for an input of a
// ReLU that rounding takes across zero flips its gradient altogether, and small networks have few of them.
[[nodiscard]] double network_bound(Precision precision);
[[nodiscard]] double gradient_bound(Precision precision);
// Of networks of many layers, whose flips stand one behind the other: the gradient of each parameter, of
// which one with few elements may be far off, and all of them as one vector. A gradient that is another's, or
// noise, is off by 1.4. By tests/golden/gradient_rounding.py (PyTorch, 16 draws of 4 images), rounding alone
// makes of ResNet-20 in bf16 0.40 to 0.65 for the worst parameter and 0.16 to 0.28 together, in fp16 0.15 to
// 0.31 and 0.05 to 0.10; of VGG-16 0.50 to 0.80 and 0.44 to 0.58, and 0.17 to 0.26 and 0.14 to 0.20. With 32
// images ResNet-20's worst is 0.44 to 0.84 in bf16.
struct DeepGradientBounds {
  double each, together;
};
[[nodiscard]] DeepGradientBounds deep_gradient_bounds(Precision precision);

[[nodiscard]] std::vector<Check> op_checks(DeviceKind device);
[[nodiscard]] std::vector<Check> network_checks(DeviceKind device);
[[nodiscard]] std::vector<Check> pruning_checks(DeviceKind device);
[[nodiscard]] std::vector<Check> all_checks(DeviceKind device);

}  // namespace secateur::selftest
