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
// ReLU that rounding takes across zero flips its gradient altogether. Small networks have few of them, deep
// ones one behind the other. A gradient that is another's, or noise, is off by 1.4.
[[nodiscard]] double network_bound(Precision precision);
[[nodiscard]] double gradient_bound(Precision precision, bool deep = false);

[[nodiscard]] std::vector<Check> op_checks(DeviceKind device);
[[nodiscard]] std::vector<Check> network_checks(DeviceKind device);
[[nodiscard]] std::vector<Check> pruning_checks(DeviceKind device);
[[nodiscard]] std::vector<Check> all_checks(DeviceKind device);

}  // namespace secateur::selftest
