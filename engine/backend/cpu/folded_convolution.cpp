// folded_conv2d on oneDNN: y = relu(conv(x) + residual) in one pass over the map, with filters and bias that
// a batch norm's running statistics were multiplied into:
//   factor[k] = scale[k] / sqrt(variance[k] + epsilon)
//   filter'[k] = factor[k] * filter[k],  bias'[k] = shift[k] + factor[k] * (bias[k] - mean[k])
// They are laid out once, on the first call, for programs whose parameters do not change any more. Inference
// alone.
#include <cmath>

#include "backend/cpu/convolution_operands.h"
#include "backend/cpu/cpu_kernels.h"
#include "secateur/core/slab.h"

namespace secateur::cpu {
namespace {

class FoldedConvolution final : public Kernel {
 public:
  explicit FoldedConvolution(const KernelSetup& setup)
      : layer_(setup.node.name),
        stream_(engine()),
        device_(setup.stream.device()),
        has_bias_(setup.node.attributes.integer_or("bias", 0) != 0),
        has_residual_(setup.inputs.size() > 1),
        epsilon_(setup.node.attributes.real_or("epsilon", 1e-5)) {
    require(!setup.has_backward(), "layer '{}': a folded convolution has no gradient", layer_);
    guarded(layer_, [&] { plan(setup); });
  }

  KernelMemory memory() const override {
    KernelMemory memory;
    memory.forward_workspace = workspace_.bytes();
    return memory;
  }

  void forward(const ForwardArguments& arguments) override {
    guarded(layer_, [&] {
      if (prepared_.bytes() == 0) prepare(arguments);
      Pass& pass = *pass_;
      pass.set(DNNL_ARG_SRC, input_->read(arguments.inputs[0], arguments.workspace));
      if (has_residual_) pass.set(kResidual, residual_->read(arguments.inputs[1], arguments.workspace));
      pass.set(DNNL_ARG_DST, output_->target(arguments.output, arguments.workspace));
      pass.run(stream_, arguments.workspace);
      output_->store(arguments.output, arguments.workspace);
    });
  }

  void backward(const BackwardArguments& /*arguments*/) override {
    fail("layer '{}': a folded convolution has no gradient", layer_);
  }

 private:
  static constexpr int kResidual = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1;

  void plan(const KernelSetup& setup) {
    const ConvolutionOperands operands(setup);
    lanes_ = operands.lanes;
    const std::int64_t filters = lanes_.padded() ? lanes_.filter_lanes : lanes_.filters;
    const Description bias = described({filters}, Tag::x);

    dnnl::post_ops after;
    if (has_residual_) after.append_binary(dnnl::algorithm::binary_add, operands.destination);
    if (setup.node.attributes.integer_or("relu", 1) != 0) {
      after.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
    }
    dnnl::primitive_attr attributes = user_scratchpad();
    attributes.set_post_ops(after);
    const dnnl::convolution_forward::primitive_desc description(
        engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, operands.source,
        operands.any_weights, bias, operands.destination, operands.strides, operands.dilations,
        operands.before, operands.behind, attributes);

    input_.emplace(setup.inputs[0], lanes_.padded(), workspace_);
    if (has_residual_) residual_.emplace(setup.inputs[1], lanes_.padded(), workspace_);
    output_.emplace(setup.output, lanes_.padded(), workspace_);
    pass_.emplace(description, workspace_);
    folded_ = unbound(operands.weights);
    filters_ = unbound(description.weights_desc());
    bias_ = unbound(bias);
    pass_->add(DNNL_ARG_SRC, unbound(operands.source));
    pass_->add(DNNL_ARG_WEIGHTS, filters_);
    pass_->add(DNNL_ARG_BIAS, bias_);
    pass_->add(DNNL_ARG_DST, unbound(operands.destination));
    if (has_residual_) pass_->add(kResidual, unbound(operands.destination));
  }

  // Filters and bias as the primitive reads them, in memory of the kernel's own. Padding lanes are zeros.
  void prepare(const ForwardArguments& arguments) {
    WorkspaceLayout layout;
    const std::int64_t filters_at = layout.take(filters_.get_desc());
    const std::int64_t bias_at = layout.take(bias_.get_desc());
    Slab prepared(device_, layout.bytes());
    filters_.set_data_handle(prepared.data() + filters_at);
    bias_.set_data_handle(prepared.data() + bias_at);

    Slab rows(device_, static_cast<std::int64_t>(folded_.get_desc().get_size()));
    folded_.set_data_handle(rows.data());
    fold(arguments.parameters, static_cast<float*>(folded_.get_data_handle()),
         static_cast<float*>(bias_.get_data_handle()));
    dnnl::reorder(folded_, filters_).execute(stream_, folded_, filters_);
    stream_.wait();
    folded_ = {};
    prepared_ = std::move(prepared);
  }

  void fold(std::span<const Tensor> parameters, float* filters, float* bias) const {
    const auto* weights = parameters[0].as<float>();
    const auto* own_bias = has_bias_ ? parameters[1].as<float>() : nullptr;
    const std::span<const Tensor> norm = parameters.subspan(has_bias_ ? 2 : 1);
    const auto* scale = norm[0].as<float>();
    const auto* shift = norm[1].as<float>();
    const auto* mean = norm[2].as<float>();
    const auto* variance = norm[3].as<float>();
    const std::int64_t stored_row = lanes_.positions * lanes_.channels;
    const std::int64_t channels = lanes_.padded() ? lanes_.channel_lanes : lanes_.channels;
    const std::int64_t row = lanes_.positions * channels;
    const std::int64_t rows = lanes_.padded() ? lanes_.filter_lanes : lanes_.filters;
    std::fill_n(filters, rows * row, 0.0F);
    std::fill_n(bias, rows, 0.0F);
    for (std::int64_t k = 0; k < lanes_.filters; ++k) {
      const double factor = scale[k] / std::sqrt(static_cast<double>(variance[k]) + epsilon_);
      const double before = own_bias == nullptr ? 0.0 : own_bias[k];
      bias[k] = static_cast<float>(shift[k] + factor * (before - mean[k]));
      // The primitive's ReLU makes a zero of what is no number, so that nobody would notice it any more.
      bool finite = std::isfinite(bias[k]);
      for (std::int64_t position = 0; position < lanes_.positions; ++position) {
        const float* from = weights + k * stored_row + position * lanes_.channels;
        float* to = filters + k * row + position * channels;
        for (std::int64_t c = 0; c < lanes_.channels; ++c) {
          to[c] = static_cast<float>(factor * from[c]);
          finite = finite && std::isfinite(to[c]);
        }
      }
      require(finite,
              "layer '{}': filter {} or its batch norm holds a number that is not finite; the network cannot "
              "be used",
              layer_, k);
    }
  }

  std::string layer_;
  dnnl::stream stream_;
  Device& device_;
  bool has_bias_;
  bool has_residual_;
  double epsilon_;
  FilterLanes lanes_;
  WorkspaceLayout workspace_;
  std::optional<Activation> input_, residual_, output_;
  std::optional<Pass> pass_;
  dnnl::memory folded_, filters_, bias_;
  Slab prepared_;
};

}  // namespace

void register_folded_convolution() { register_float32_kernel<FoldedConvolution>("folded_conv2d"); }

}  // namespace secateur::cpu
