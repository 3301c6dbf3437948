// Every op case against the reference.
#include "secateur/backend/open_device.h"
#include "secateur/core/error.h"
#include "selftest/check.h"
#include "selftest/op_case.h"
#include "selftest/op_run.h"

namespace secateur::selftest {
namespace {

Comparison check_op(const OpCase& op_case, DeviceKind kind, Precision precision) {
  const auto device = open_device(kind);
  const auto reference_device = make_host_device(DeviceKind::reference);
  const OpData data = make_data(op_case, test_seed(), precision);
  const double bound = op_bound(precision);
  Comparison comparison;

  const OpResult reference = run_op(op_case, data, *reference_device, Precision::fp64, true);
  const OpResult result = run_op(op_case, data, *device, precision, true);
  comparison.add(result.output, reference.output, bound, "output");
  comparison.add(result.parameters, reference.parameters, bound, "parameter after the forward pass");
  comparison.add(result.input_gradients, reference.input_gradients, bound, "gradient of input");
  comparison.add(result.parameter_gradients, reference.parameter_gradients, bound, "gradient of parameter");
  comparison.require(result.padding_is_zero, "padding lanes are not zero");
  comparison.require(reference.padding_is_zero, "padding lanes of the reference are not zero");

  // A kernel that was made without a backward pass computes the same.
  const OpResult inference = run_op(op_case, data, *device, precision, false);
  comparison.add(inference.output, reference.output, bound, "output without a backward pass");
  comparison.require(inference.padding_is_zero, "padding lanes are not zero without a backward pass");
  return comparison;
}

// What a device is known not to run: the place of a maximum takes one byte on a GPU.
bool is_refused(const OpCase& op_case, DeviceKind device) {
  if (device != DeviceKind::cuda || op_case.op != "max_pool") return false;
  const auto kernel = op_case.attributes.pair_or("kernel", 1);
  return kernel[0] * kernel[1] > 255;
}

Comparison check_refusal(const OpCase& op_case, DeviceKind kind, Precision precision) {
  const auto device = open_device(kind);
  Comparison comparison;
  try {
    static_cast<void>(run_op(op_case, make_data(op_case, test_seed(), precision), *device, precision, false));
    comparison.require(false, "ran, though it is documented as refused");
  } catch (const Error& error) {
    comparison.require(std::string(error.what()).find("cannot run on") != std::string::npos, error.what());
  }
  return comparison;
}

}  // namespace

std::vector<Check> op_checks(DeviceKind device) {
  std::vector<Check> checks;
  for (const OpCase& op_case : op_cases()) {
    for (const Precision precision : precisions_of(device)) {
      const auto check = is_refused(op_case, device) ? check_refusal : check_op;
      checks.push_back({.part = "ops", .name = op_case.name, .precision = precision, .run = [=] {
                          return check(op_case, device, precision);
                        }});
    }
  }
  return checks;
}

}  // namespace secateur::selftest
