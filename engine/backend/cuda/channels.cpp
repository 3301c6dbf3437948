// Ops that move channels: concat, pad_channels, gather_channels, scatter_add, and flatten of padded maps.
#include <numeric>

#include "backend/cuda/cuda_kernel.h"
#include "backend/cuda/cuda_kernels.h"
#include "secateur/kernels/map_channels.h"

namespace secateur::cuda {
namespace {

using Indices = std::vector<std::int32_t>;

Indices to_indices(const std::vector<std::int64_t>& values) {
  Indices indices;
  for (const std::int64_t value : values) indices.push_back(static_cast<std::int32_t>(value));
  return indices;
}

// Padding lanes show no channel, and so are written as zeros.
Indices padded(Indices table, std::int64_t leading) {
  table.resize(static_cast<std::size_t>(leading), -1);
  return table;
}

class Concat final : public CudaKernel {
 public:
  explicit Concat(const KernelSetup& setup) : CudaKernel(setup) {
    for (const Tensor& input : setup.inputs) widths_.push_back(input.channels());
  }
  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& a) override {
    const Tensor& y = a.output;
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < a.inputs.size(); ++i) {
      const Tensor& x = a.inputs[i];
      const std::int64_t zeroed = i + 1 == a.inputs.size() ? y.leading - offset : 0;
      copy_lanes(lane(y, offset), y.leading, x.data, x.leading, x.rows(), x.channels(), zeroed, y.dtype,
                 handle(), layer());
      offset += widths_[i];
    }
  }

  void backward(const BackwardArguments& a) override {
    const Tensor& dy = a.output_gradient;
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < a.input_gradients.size(); ++i) {
      const Tensor& dx = a.input_gradients[i];
      if (!dx.empty()) {
        copy_lanes(dx.data, dx.leading, lane(dy, offset), dy.leading, dx.rows(), dx.channels(), dx.leading,
                   dx.dtype, handle(), layer());
      }
      offset += widths_[i];
    }
  }

 private:
  static void* lane(const Tensor& map, std::int64_t index) {
    return static_cast<std::byte*>(map.data) + index * size_of(map.dtype);
  }

  std::vector<std::int64_t> widths_;  // of every input: a gradient that is not wanted has no shape
};

// pad_channels and gather_channels: y[j] = x[table[j]], or 0 where the entry is -1.
class ChannelTable final : public CudaKernel {
 public:
  explicit ChannelTable(const KernelSetup& setup) : CudaKernel(setup) {
    const Indices table = to_indices(setup.node.attributes.integers("table"));
    table_ = IndexTable(setup.stream, padded(table, setup.output.leading));
    if (!setup.has_backward()) return;
    // The table turned round: for each lane of x the places that show it, in ascending order.
    const std::int64_t leading = setup.inputs[0].leading;
    Indices first{0};
    Indices places;
    for (std::int32_t source = 0; source < leading; ++source) {
      for (std::size_t place = 0; place < table.size(); ++place) {
        if (table[place] == source) places.push_back(static_cast<std::int32_t>(place));
      }
      first.push_back(static_cast<std::int32_t>(places.size()));
    }
    first_ = IndexTable(setup.stream, first);
    places_ = IndexTable(setup.stream, places);
  }
  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& a) override {
    const Tensor& y = a.output;
    check(kernels::gather_channels(
        y.data, a.inputs[0].data, table_.data(),
        {kernel_type(y.dtype), y.rows(), y.leading, y.leading, a.inputs[0].leading}, handle()));
  }
  void backward(const BackwardArguments& a) override {
    const Tensor& dx = a.input_gradients[0];
    if (dx.empty()) return;
    check(kernels::sum_channels(
        dx.data, a.output_gradient.data, first_.data(), places_.data(),
        {kernel_type(dx.dtype), dx.rows(), dx.leading, dx.leading, a.output_gradient.leading}, handle()));
  }

 private:
  IndexTable table_;
  IndexTable first_;
  IndexTable places_;
};

// scatter_add: y = trunk, then y[table[j]] += branch[j].
class ScatterAdd final : public CudaKernel {
 public:
  explicit ScatterAdd(const KernelSetup& setup) : CudaKernel(setup) {
    const Indices table = to_indices(setup.node.attributes.integers("table"));
    sources_ = static_cast<std::int64_t>(table.size());
    table_ = IndexTable(setup.stream, padded(table, setup.inputs[1].leading));
  }
  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& a) override {
    const Tensor& y = a.output;
    copy_map(y, a.inputs[0], handle(), layer());
    check(kernels::scatter_add_channels(
        y.data, a.inputs[1].data, table_.data(), sources_,
        {kernel_type(y.dtype), y.rows(), y.channels(), y.leading, a.inputs[1].leading}, handle()));
  }
  void backward(const BackwardArguments& a) override {
    const Tensor& dy = a.output_gradient;
    if (!a.input_gradients[0].empty()) copy_map(a.input_gradients[0], dy, handle(), layer());
    const Tensor& branch = a.input_gradients[1];
    if (branch.empty()) return;
    check(kernels::gather_channels(
        branch.data, dy.data, table_.data(),
        {kernel_type(dy.dtype), branch.rows(), branch.leading, branch.leading, dy.leading}, handle()));
  }

 private:
  std::int64_t sources_ = 0;
  IndexTable table_;
};

// flatten: feature (h*W + w)*C + c of a sample, a gather over the lanes of a whole image. Only called where a
// leading dimension makes it more than a view.
class Flatten final : public CudaKernel {
 public:
  explicit Flatten(const KernelSetup& setup) : CudaKernel(setup) {
    const Tensor& x = setup.inputs[0];
    const std::int64_t positions = x.shape[1] * x.shape[2];
    image_ = positions * x.leading;
    Indices feature_of(static_cast<std::size_t>(image_), -1);
    Indices lane_of;
    for (std::int64_t t = 0; t < positions; ++t) {
      for (std::int64_t c = 0; c < x.channels(); ++c) {
        feature_of[static_cast<std::size_t>(t * x.leading + c)] = static_cast<std::int32_t>(lane_of.size());
        lane_of.push_back(static_cast<std::int32_t>(t * x.leading + c));
      }
    }
    lane_of_ = IndexTable(setup.stream, padded(lane_of, setup.output.leading));
    if (setup.has_backward()) feature_of_ = IndexTable(setup.stream, feature_of);
  }
  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& a) override {
    const Tensor& y = a.output;
    check(kernels::gather_channels(y.data, a.inputs[0].data, lane_of_.data(),
                                   {kernel_type(y.dtype), y.rows(), y.leading, y.leading, image_}, handle()));
  }
  void backward(const BackwardArguments& a) override {
    const Tensor& dx = a.input_gradients[0];
    if (dx.empty()) return;
    check(kernels::gather_channels(
        dx.data, a.output_gradient.data, feature_of_.data(),
        {kernel_type(dx.dtype), dx.shape[0], image_, image_, a.output_gradient.leading}, handle()));
  }

 private:
  std::int64_t image_ = 0;  // stored elements of one image
  IndexTable lane_of_;
  IndexTable feature_of_;
};

}  // namespace

void register_channel_kernels() {
  register_kernel_of<Concat>("concat");
  register_kernel_of<ChannelTable>("pad_channels");
  register_kernel_of<ChannelTable>("gather_channels");
  register_kernel_of<ScatterAdd>("scatter_add");
  register_kernel_of<Flatten>("flatten");
}

}  // namespace secateur::cuda
