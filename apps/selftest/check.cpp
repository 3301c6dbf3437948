#include "selftest/check.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "secateur/backend/open_device.h"
#include "secateur/core/error.h"

namespace secateur::selftest {
namespace {

double norm(const std::vector<double>& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

}  // namespace

void Comparison::require(bool condition, const std::string& what) {
  if (!condition && failure_.empty()) failure_ = what;
}

void Comparison::add(const std::vector<double>& got, const std::vector<double>& reference, double bound,
                     const std::string& what) {
  require(got.size() == reference.size(),
          fmt::format("{}: {} values, expected {}", what, got.size(), reference.size()));
  if (got.size() != reference.size()) return;
  std::vector<double> difference(got.size());
  std::transform(got.begin(), got.end(), reference.begin(), difference.begin(), std::minus<>());
  const double size = norm(reference);
  double scale = size > 0 ? size : std::sqrt(static_cast<double>(reference.size()));
  if (reference.size() == 1) scale = std::max(scale, 1.0);
  const double error = reference.empty() ? 0 : norm(difference) / scale;
  const bool within = error <= bound;  // false for NaN
  require(within, fmt::format("{}: error {:.3g}, bound {:.3g}", what, error, bound));
  worst_ = within ? std::max(worst_, error / bound) : HUGE_VAL;
}

void Comparison::add(const std::vector<std::vector<double>>& got,
                     const std::vector<std::vector<double>>& reference, double bound,
                     const std::string& what) {
  require(got.size() == reference.size(),
          fmt::format("{}: {} tensors, expected {}", what, got.size(), reference.size()));
  for (std::size_t i = 0; i < std::min(got.size(), reference.size()); ++i) {
    add(got[i], reference[i], bound, fmt::format("{} {}", what, i));
  }
}

std::vector<Precision> precisions_of(DeviceKind device) {
  switch (device) {
    case DeviceKind::cuda:
      return {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16};
    case DeviceKind::reference:
      return {Precision::fp64};
    case DeviceKind::cpu:
      break;
  }
  std::vector<Precision> precisions{Precision::fp32};
  if (!why_no_precision(device, Precision::bf16)) precisions.push_back(Precision::bf16);
  return precisions;
}

double op_bound(Precision precision) {
  switch (precision) {
    case Precision::fp64:
      return 1e-12;
    case Precision::fp32:
      return 5e-6;
    case Precision::tf32:
    case Precision::fp16:
      return 3e-3;
    case Precision::bf16:
      break;
  }
  return 2e-2;
}

double network_bound(Precision precision) {
  switch (precision) {
    case Precision::fp64:
      return 1e-10;
    case Precision::fp32:
      return 1e-4;
    case Precision::tf32:
    case Precision::fp16:
      return 2e-2;
    case Precision::bf16:
      break;
  }
  return 0.1;
}

double gradient_bound(Precision precision) {
  // bf16: 0.8. A gradient that is another's, or noise, is off by 1.4.
  constexpr double kFlippedGradients = 8;
  const bool rounds_much = precision != Precision::fp64 && precision != Precision::fp32;
  return network_bound(precision) * (rounds_much ? kFlippedGradients : 1);
}

DeepGradientBounds deep_gradient_bounds(Precision precision) {
  switch (precision) {
    case Precision::fp64:
    case Precision::fp32:
      return {network_bound(precision), network_bound(precision)};
    case Precision::tf32:
    case Precision::fp16:
      return {.each = 0.36, .together = 0.27};
    case Precision::bf16:
      break;
  }
  return {.each = 1.0, .together = 0.7};
}

std::vector<Check> all_checks(DeviceKind device) {
  std::vector<Check> checks = op_checks(device);
  for (auto* make : {network_checks, pruning_checks}) {
    for (Check& check : make(device)) checks.push_back(std::move(check));
  }
  return checks;
}

}  // namespace secateur::selftest
