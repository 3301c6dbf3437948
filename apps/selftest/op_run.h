// Runs the kernel of one op case on a device, with memory of its own that is full of NaN where the kernel
// must write.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/core/slab.h"
#include "secateur/graph/op.h"
#include "selftest/op_case.h"

namespace secateur::selftest {

// What an op reads, dense and in double.
struct OpData {
  std::vector<std::vector<double>> inputs;
  std::vector<std::vector<double>> parameters;
  std::vector<double> output_gradient;
};

// What it computes. Gradients that nobody wanted are empty.
struct OpResult {
  std::vector<double> output;
  std::vector<std::vector<double>> parameters;  // after the forward pass: running statistics change
  std::vector<std::vector<double>> input_gradients;
  std::vector<std::vector<double>> parameter_gradients;
  bool padding_is_zero = true;
};

// Random data of a case; every value is one that `precision` can store. Where the output has a kink (a ReLU
// near zero) the output gradient is zero, so that rounding cannot flip a gradient.
[[nodiscard]] OpData make_data(const OpCase& op_case, std::uint64_t seed, Precision precision);

// Seed of this process: SECATEUR_TEST_SEED, or 1. Tests print it where they fail.
[[nodiscard]] std::uint64_t test_seed();

// A device to test, or nothing where there is none of its kind.
[[nodiscard]] std::unique_ptr<Device> open_test_device(DeviceKind kind);

class OpRun {
 public:
  OpRun(const OpCase& op_case, const OpData& data, Device& device, Precision precision, bool with_backward);

  // Each may be called any number of times; parameters that forward() updates go on from where they are.
  void forward();
  void backward();
  // The work is done, and can be timed, once this returns.
  void synchronize() { stream_->synchronize(); }
  [[nodiscard]] OpResult result();

  // For benchmarks: multiply-adds of a forward pass, and bytes of inputs, parameters and output.
  [[nodiscard]] std::int64_t macs() const { return macs_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  Tensor allocate(DType type, const Shape& shape, std::int64_t lanes, const std::vector<double>* values);
  void* allocate_scratch(std::int64_t bytes);

  Device& device_;
  std::unique_ptr<Stream> stream_;
  Node node_;
  std::vector<ParameterSpec> specs_;
  std::vector<Slab> slabs_;
  std::vector<Tensor> inputs_, parameters_, input_gradients_, parameter_gradients_;
  Tensor output_, output_gradient_;
  std::unique_ptr<Kernel> kernel_;
  KernelMemory memory_;
  void* saved_ = nullptr;
  void* forward_workspace_ = nullptr;
  void* backward_workspace_ = nullptr;
  bool with_backward_;
  std::int64_t macs_ = 0;
  std::int64_t bytes_ = 0;
};

// Forward and, if asked for, backward.
[[nodiscard]] OpResult run_op(const OpCase& op_case, const OpData& data, Device& device, Precision precision,
                              bool with_backward);

}  // namespace secateur::selftest
