// cuDNN's operation graph of a ConvProblem: the convolution, and what a fusion puts into its main loop and
// epilogue (backend/conv_problem.h has the equations).
//
// In fp16 factor and offset of the main loop are fp16, as cuDNN's engines take them; statistics, parameters
// and gradients of the batch norm are fp32.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "backend/cuda/cudnn_descriptor.h"
#include "secateur/backend/conv_problem.h"

namespace secateur {

// The tensors in memory that a graph may have; the number is the one by which cuDNN knows it.
enum class ConvTensor : std::int64_t {
  input = 1,
  filter,
  output,
  // One value a channel of the output: sums of it and of its squares.
  sum,
  sum_of_squares,
  // One value a channel of the input: the batch norm before it.
  factor,
  offset,
  mean,
  inverse_deviation,
  scale,
  shift,
  scale_gradient,
  shift_gradient,
  // The three factors of the batch norm's input gradient: of its output's gradient, of x, and the constant.
  gradient_factor,
  input_factor,
  constant,
  // x, where `input` is its gradient.
  normalized,
};

class ConvGraph {
 public:
  // `handle` is null for a GPU that is only described. Throws Error for a fusion in another precision than
  // fp16, with groups, with channels that are not multiples of 8, and for one that the pass does not have.
  ConvGraph(const ConvProblem& problem, cudnnHandle_t handle);

  [[nodiscard]] const CudnnDescriptor& graph() const { return graph_; }
  // Those in memory, in no order that means anything.
  [[nodiscard]] const std::vector<ConvTensor>& tensors() const { return in_memory_; }

 private:
  using Extents = std::array<std::int64_t, 4>;  // cuDNN's order N, C, H, W

  void build(const ConvProblem& problem);
  void build_input_gradient();
  const CudnnDescriptor& scaled_relu();
  void convolve(ConvPass pass, const CudnnDescriptor& x, const CudnnDescriptor& y);
  void statistics(const CudnnDescriptor& y);
  void batch_norm_gradients(const CudnnDescriptor& x, const CudnnDescriptor& mean,
                            const CudnnDescriptor& inverse_deviation, const CudnnDescriptor& scale,
                            const CudnnDescriptor& dy);

  const CudnnDescriptor& memory(ConvTensor which, DType type, const Extents& extents);
  const CudnnDescriptor& of_input(ConvTensor which, DType type);   // one value a channel
  const CudnnDescriptor& of_output(ConvTensor which, DType type);  // likewise
  const CudnnDescriptor& registers(DType type);                    // an input's map between operations

  const CudnnDescriptor& pointwise(cudnnPointwiseMode_t mode, const CudnnDescriptor& a,
                                   const CudnnDescriptor& b, const CudnnDescriptor& out);
  CudnnDescriptor& begin(cudnnBackendDescriptorType_t type);
  CudnnDescriptor& begin_pointwise(cudnnPointwiseMode_t mode);

  std::string what_;
  DType type_;
  CudnnDescriptor convolution_;
  Extents x_extents_, y_extents_, w_extents_;
  std::deque<CudnnDescriptor> tensors_, settings_, operations_;  // references to them stay good
  std::vector<ConvTensor> in_memory_;
  CudnnDescriptor graph_;
};

}  // namespace secateur
