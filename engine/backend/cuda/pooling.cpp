// max_pool, avg_pool, global_avg_pool.
#include "secateur/kernels/pooling.h"
#include "backend/cuda/cuda_kernel.h"
#include "backend/cuda/cuda_kernels.h"

namespace secateur::cuda {
namespace {

// The place of a maximum in its window is kept in one byte.
constexpr std::int64_t kLargestWindow = 255;

// Pools whole stored rows: zeros in padding lanes stay zeros. A maximum whose window meets the border is one
// of zeros, too.
kernels::PoolShape pool_shape(const KernelSetup& setup) {
  const Attributes& attributes = setup.node.attributes;
  const auto kernel = attributes.pair_or("kernel", 1);
  const auto stride = attributes.contains("stride") ? attributes.pair_or("stride", 1) : kernel;
  const auto padding = attributes.pair_or("padding", 0);
  const Tensor& x = setup.inputs[0];
  require(x.leading == setup.output.leading,
          "layer '{}': a map and its pooled map are stored alike, but leading dimension {} meets {}",
          setup.node.name, x.leading, setup.output.leading);
  kernels::PoolShape shape;
  shape.type = kernel_type(x.dtype);
  shape.images = x.shape[0];
  shape.height = x.shape[1];
  shape.width = x.shape[2];
  shape.channels = shape.ld = shape.out_ld = x.leading;
  shape.kernel_height = static_cast<int>(kernel[0]);
  shape.kernel_width = static_cast<int>(kernel[1]);
  shape.stride_height = static_cast<int>(stride[0]);
  shape.stride_width = static_cast<int>(stride[1]);
  shape.padding_height = static_cast<int>(padding[0]);
  shape.padding_width = static_cast<int>(padding[1]);
  return shape;
}

class MaxPool final : public CudaKernel {
 public:
  explicit MaxPool(const KernelSetup& setup)
      : CudaKernel(setup), shape_(pool_shape(setup)), keeps_choice_(setup.has_backward()) {}

  KernelMemory memory() const override {
    KernelMemory memory{.backward_needs_inputs = false};
    if (keeps_choice_) {
      memory.saved = shape_.images * shape_.out_height() * shape_.out_width() * shape_.channels;
    }
    return memory;
  }
  void forward(const ForwardArguments& a) override {
    auto* choice = keeps_choice_ ? static_cast<std::uint8_t*>(a.saved) : nullptr;
    check(kernels::max_pool(a.output.data, choice, a.inputs[0].data, shape_, handle()));
  }
  void backward(const BackwardArguments& a) override {
    if (a.input_gradients[0].empty()) return;
    check(kernels::max_pool_backward(a.input_gradients[0].data, a.output_gradient.data,
                                     static_cast<const std::uint8_t*>(a.saved), shape_, handle()));
  }

 private:
  kernels::PoolShape shape_;
  bool keeps_choice_;
};

class AveragePool final : public CudaKernel {
 public:
  explicit AveragePool(const KernelSetup& setup)
      : CudaKernel(setup),
        shape_(pool_shape(setup)),
        counts_padding_(setup.node.attributes.integer_or("count_include_pad", 0) != 0) {}

  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }
  void forward(const ForwardArguments& a) override {
    check(kernels::average_pool(a.output.data, a.inputs[0].data, counts_padding_, shape_, handle()));
  }
  void backward(const BackwardArguments& a) override {
    if (a.input_gradients[0].empty()) return;
    check(kernels::average_pool_backward(a.input_gradients[0].data, a.output_gradient.data, counts_padding_,
                                         shape_, handle()));
  }

 private:
  kernels::PoolShape shape_;
  bool counts_padding_;
};

class GlobalAveragePool final : public CudaKernel {
 public:
  explicit GlobalAveragePool(const KernelSetup& setup)
      : CudaKernel(setup),
        images_(setup.inputs[0].shape[0]),
        positions_(setup.inputs[0].shape[1] * setup.inputs[0].shape[2]) {
    require(setup.inputs[0].leading == setup.output.leading,
            "layer '{}': a map and its mean are stored alike, but leading dimension {} meets {}", layer(),
            setup.inputs[0].leading, setup.output.leading);
  }

  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }
  void forward(const ForwardArguments& a) override {
    const Tensor& y = a.output;
    check(kernels::global_average_pool(y.data, a.inputs[0].data, kernel_type(y.dtype), images_, positions_,
                                       y.leading, y.leading, y.leading, handle()));
  }
  void backward(const BackwardArguments& a) override {
    const Tensor& dx = a.input_gradients[0];
    if (dx.empty()) return;
    check(kernels::global_average_pool_backward(dx.data, a.output_gradient.data, kernel_type(dx.dtype),
                                                images_, positions_, dx.leading, dx.leading, dx.leading,
                                                handle()));
  }

 private:
  std::int64_t images_;
  std::int64_t positions_;
};

}  // namespace

void register_pooling_kernels() {
  register_kernel("max_pool", DeviceKind::cuda,
                  {.make = [](const KernelSetup& setup) { return std::make_unique<MaxPool>(setup); },
                   .unsupported = [](const KernelSetup& setup) -> std::optional<std::string> {
                     const auto kernel = setup.node.attributes.pair_or("kernel", 1);
                     if (kernel[0] * kernel[1] > kLargestWindow) {
                       return fmt::format("windows have at most {} positions, this one has {} x {}",
                                          kLargestWindow, kernel[0], kernel[1]);
                     }
                     return unless_stored_as_expected(setup, setup.inputs.size());
                   }});
  register_kernel_of<AveragePool>("avg_pool");
  register_kernel_of<GlobalAveragePool>("global_avg_pool");
}

}  // namespace secateur::cuda
