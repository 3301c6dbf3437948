// folded_conv2d: y = relu(conv(x) + residual) in one pass over the map, with filters and bias that a batch
// norm's running statistics were multiplied into:
//   factor[k] = scale[k] / sqrt(variance[k] + epsilon)
//   filter'[k] = factor[k] * filter[k],  bias'[k] = shift[k] + factor[k] * (bias[k] - mean[k])
// They are laid out once, on the first call, for programs whose parameters do not change any more. Inference
// alone. By Winograd's filtering where that is the faster way, else on oneDNN.
#include <cmath>

#include "backend/cpu/convolution_operands.h"
#include "backend/cpu/cpu_kernels.h"
#include "backend/cpu/filter_passes.h"
#include "secateur/core/slab.h"

namespace secateur::cpu {
namespace {

// The node's attributes, and how its filters and bias become those of the folded convolution.
struct Folding {
  explicit Folding(const KernelSetup& setup)
      : layer(setup.node.name),
        has_bias(setup.node.attributes.integer_or("bias", 0) != 0),
        relu(setup.node.attributes.integer_or("relu", 1) != 0),
        epsilon(setup.node.attributes.real_or("epsilon", 1e-5)) {}

  // Filters [filters, positions, channels] as `lanes` has them; lanes of padding are zeros. `bias` has a
  // value for each of `bias_lanes`.
  void fold(const FilterLanes& lanes, std::span<const Tensor> parameters, float* filters, float* bias,
            std::int64_t bias_lanes) const {
    const auto* weights = parameters[0].as<float>();
    const auto* own_bias = has_bias ? parameters[1].as<float>() : nullptr;
    const std::span<const Tensor> norm = parameters.subspan(has_bias ? 2 : 1);
    const auto* scale = norm[0].as<float>();
    const auto* shift = norm[1].as<float>();
    const auto* mean = norm[2].as<float>();
    const auto* variance = norm[3].as<float>();
    const std::int64_t stored_row = lanes.positions * lanes.channels;
    const std::int64_t channels = lanes.padded() ? lanes.channel_lanes : lanes.channels;
    const std::int64_t row = lanes.positions * channels;
    const std::int64_t rows = lanes.padded() ? lanes.filter_lanes : lanes.filters;
    std::fill_n(filters, rows * row, 0.0F);
    std::fill_n(bias, bias_lanes, 0.0F);
    for (std::int64_t k = 0; k < lanes.filters; ++k) {
      const double factor = scale[k] / std::sqrt(static_cast<double>(variance[k]) + epsilon);
      const double before = own_bias == nullptr ? 0.0 : own_bias[k];
      bias[k] = static_cast<float>(shift[k] + factor * (before - mean[k]));
      // The primitive's ReLU makes a zero of what is no number, so that nobody would notice it any more.
      bool finite = std::isfinite(bias[k]);
      for (std::int64_t position = 0; position < lanes.positions; ++position) {
        const float* from = weights + k * stored_row + position * lanes.channels;
        float* to = filters + k * row + position * channels;
        for (std::int64_t c = 0; c < lanes.channels; ++c) {
          to[c] = static_cast<float>(factor * from[c]);
          finite = finite && std::isfinite(to[c]);
        }
      }
      require(finite,
              "layer '{}': filter {} or its batch norm holds a number that is not finite; the network cannot "
              "be used",
              layer, k);
    }
  }

  std::string layer;
  bool has_bias;
  bool relu;
  double epsilon;
};

class OneDnnFolded final : public ForwardPass {
 public:
  OneDnnFolded(const KernelSetup& setup, const ConvolutionOperands& operands, const Folding& folding)
      : folding_(folding),
        stream_(engine()),
        device_(setup.stream.device()),
        has_residual_(setup.inputs.size() > 1),
        lanes_(operands.lanes) {
    const std::int64_t filters = lanes_.padded() ? lanes_.filter_lanes : lanes_.filters;
    const Description bias = described({filters}, Tag::x);

    dnnl::post_ops after;
    if (has_residual_) after.append_binary(dnnl::algorithm::binary_add, operands.destination);
    if (folding_.relu) after.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
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

  std::int64_t workspace_bytes() const override { return workspace_.bytes(); }

  void run(const ForwardArguments& arguments) override {
    if (prepared_.bytes() == 0) prepare(arguments);
    Pass& pass = *pass_;
    pass.set(DNNL_ARG_SRC, input_->read(arguments.inputs[0], arguments.workspace));
    if (has_residual_) pass.set(kResidual, residual_->read(arguments.inputs[1], arguments.workspace));
    pass.set(DNNL_ARG_DST, output_->target(arguments.output, arguments.workspace));
    pass.run(stream_, arguments.workspace);
    output_->store(arguments.output, arguments.workspace);
  }

 private:
  static constexpr int kResidual = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1;

  // Filters and bias as the primitive reads them, in memory of the kernel's own.
  void prepare(const ForwardArguments& arguments) {
    WorkspaceLayout layout;
    const std::int64_t filters_at = layout.take(filters_.get_desc());
    const std::int64_t bias_at = layout.take(bias_.get_desc());
    Slab prepared(device_, layout.bytes());
    filters_.set_data_handle(prepared.data() + filters_at);
    bias_.set_data_handle(prepared.data() + bias_at);

    Slab rows(device_, static_cast<std::int64_t>(folded_.get_desc().get_size()));
    folded_.set_data_handle(rows.data());
    folding_.fold(lanes_, arguments.parameters, static_cast<float*>(folded_.get_data_handle()),
                  static_cast<float*>(bias_.get_data_handle()), bias_.get_desc().get_dims()[0]);
    dnnl::reorder(folded_, filters_).execute(stream_, folded_, filters_);
    stream_.wait();
    folded_ = {};
    prepared_ = std::move(prepared);
  }

  Folding folding_;
  dnnl::stream stream_;
  Device& device_;
  bool has_residual_;
  FilterLanes lanes_;
  WorkspaceLayout workspace_;
  std::optional<Activation> input_, residual_, output_;
  std::optional<Pass> pass_;
  dnnl::memory folded_, filters_, bias_;
  Slab prepared_;
};

class WinogradFolded final : public ForwardPass {
 public:
  WinogradFolded(const KernelSetup& setup, const WinogradProblem& problem, const Folding& folding)
      : folding_(folding),
        device_(setup.stream.device()),
        lanes_{problem.filters, 9, problem.channels, 0, 0},
        bias_lanes_(problem.filter_lanes),
        filters_(problem.filters, problem.channels, WinogradUse::forward),
        convolution_(problem) {}

  std::int64_t workspace_bytes() const override { return convolution_.workspace_bytes(); }

  void run(const ForwardArguments& arguments) override {
    if (prepared_.bytes() == 0) prepare(arguments);
    const auto* points = reinterpret_cast<const float*>(prepared_.data());
    const Tensor residual = arguments.inputs.size() > 1 ? arguments.inputs[1] : Tensor();
    convolution_.run(arguments.inputs[0], arguments.output, points, points + bias_at(), residual,
                     folding_.relu, arguments.workspace);
  }

 private:
  [[nodiscard]] std::int64_t bias_at() const { return filters_.bytes() / size_of(DType::f32); }

  void prepare(const ForwardArguments& arguments) {
    Slab prepared(device_, filters_.bytes() + bias_lanes_ * size_of(DType::f32));
    Slab rows(device_, lanes_.filters * lanes_.positions * lanes_.channels * size_of(DType::f32));
    auto* points = reinterpret_cast<float*>(prepared.data());
    auto* folded = reinterpret_cast<float*>(rows.data());
    folding_.fold(lanes_, arguments.parameters, folded, points + bias_at(), bias_lanes_);
    filters_.transform(folded, points);
    prepared_ = std::move(prepared);
  }

  Folding folding_;
  Device& device_;
  FilterLanes lanes_;
  std::int64_t bias_lanes_;
  WinogradFilters filters_;
  WinogradConvolution convolution_;
  Slab prepared_;
};

class FoldedConvolution final : public Kernel {
 public:
  explicit FoldedConvolution(const KernelSetup& setup) : folding_(setup) {
    require(!setup.has_backward(), "layer '{}': a folded convolution has no gradient", folding_.layer);
    guarded(folding_.layer, [&] {
      const ConvolutionOperands operands(setup);
      const auto layer = operands.winograd(setup);
      const bool alike = setup.inputs.size() == 1 || setup.inputs[1].leading == setup.output.leading;
      if (layer && alike && WinogradConvolution::takes(*layer)) {
        pass_ = std::make_unique<WinogradFolded>(setup, *layer, folding_);
      } else {
        pass_ = std::make_unique<OneDnnFolded>(setup, operands, folding_);
      }
    });
  }

  KernelMemory memory() const override {
    KernelMemory memory;
    memory.forward_workspace = pass_->workspace_bytes();
    return memory;
  }

  void forward(const ForwardArguments& arguments) override {
    guarded(folding_.layer, [&] { pass_->run(arguments); });
  }

  void backward(const BackwardArguments& /*arguments*/) override {
    fail("layer '{}': a folded convolution has no gradient", folding_.layer);
  }

 private:
  Folding folding_;
  std::unique_ptr<ForwardPass> pass_;
};

}  // namespace

void register_folded_convolution() { register_filter_kernel<FoldedConvolution>("folded_conv2d"); }

}  // namespace secateur::cpu
