// Ops that move channels: concat, pad_channels, gather_channels, scatter_add, and flatten of padded maps.
#include <vector>

#include "backend/cpu/cpu_kernels.h"
#include "backend/cpu/rows.h"

namespace secateur::cpu {
namespace {

template <class T>
class Concat final : public Kernel {
 public:
  explicit Concat(const KernelSetup& setup) {
    for (const Tensor& input : setup.inputs) widths_.push_back(input.channels());
  }

  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& arguments) override {
    const Tensor& output = arguments.output;
    auto* y = output.as<T>();
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < output.rows(); ++row) {
      T* out = y + row * output.leading;
      T* const end = out + output.leading;
      for (const Tensor& input : arguments.inputs) {
        out = std::copy_n(static_cast<const T*>(input.data) + row * input.leading, input.channels(), out);
      }
      std::fill(out, end, T{});
    }
  }

  void backward(const BackwardArguments& arguments) override {
    const Tensor& gradient = arguments.output_gradient;
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < arguments.input_gradients.size(); ++i) {
      const Tensor& target = arguments.input_gradients[i];
      if (!target.empty()) {
        copy_rows(gradient.as<T>() + offset, gradient.leading, target.as<T>(), target.leading, target.rows(),
                  target.channels());
      }
      offset += widths_[i];
    }
  }

 private:
  std::vector<std::int64_t> widths_;  // of every input: a gradient that is not wanted has no shape
};

// The inverse of a table: for each source the places that name it, in ascending order.
class InverseTable {
 public:
  InverseTable(const std::vector<std::int64_t>& table, std::int64_t sources)
      : begin_(static_cast<std::size_t>(sources) + 1, 0) {
    for (std::int64_t source = 0; source < sources; ++source) {
      for (std::size_t place = 0; place < table.size(); ++place) {
        if (table[place] == source) places_.push_back(static_cast<std::int64_t>(place));
      }
      begin_[static_cast<std::size_t>(source) + 1] = static_cast<std::int64_t>(places_.size());
    }
  }
  template <class T>
  [[nodiscard]] float sum(const T* row, std::int64_t source) const {
    float total = 0;
    const auto s = static_cast<std::size_t>(source);
    for (std::int64_t i = begin_[s]; i < begin_[s + 1]; ++i)
      total += row[places_[static_cast<std::size_t>(i)]];
    return total;
  }

 private:
  std::vector<std::int64_t> begin_;
  std::vector<std::int64_t> places_;
};

// pad_channels and gather_channels: y[j] = x[table[j]], or 0 where the entry is -1. A source's gradient is
// the sum over the places that show it, in ascending order.
template <class T>
class ChannelTable final : public Kernel {
 public:
  explicit ChannelTable(const KernelSetup& setup)
      : table_(setup.node.attributes.integers("table")), inverse_(table_, setup.inputs[0].channels()) {}

  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& arguments) override {
    const Tensor& input = arguments.inputs[0];
    const Tensor& output = arguments.output;
    const auto* x = input.as<T>();
    auto* y = output.as<T>();
    const auto channels = static_cast<std::int64_t>(table_.size());
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < output.rows(); ++row) {
      const T* in = x + row * input.leading;
      T* out = y + row * output.leading;
      for (std::int64_t j = 0; j < channels; ++j) {
        const std::int64_t source = table_[static_cast<std::size_t>(j)];
        out[j] = source < 0 ? T{} : in[source];
      }
      std::fill(out + channels, out + output.leading, T{});
    }
  }

  void backward(const BackwardArguments& arguments) override {
    const Tensor& gradient = arguments.output_gradient;
    const Tensor& target = arguments.input_gradients[0];
    if (target.empty()) return;
    const auto* dy = gradient.as<T>();
    auto* dx = target.as<T>();
    const std::int64_t channels = target.channels();
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < target.rows(); ++row) {
      const T* from = dy + row * gradient.leading;
      T* out = dx + row * target.leading;
      for (std::int64_t c = 0; c < channels; ++c) out[c] = inverse_.sum(from, c);
      std::fill(out + channels, out + target.leading, T{});
    }
  }

 private:
  std::vector<std::int64_t> table_;
  InverseTable inverse_;
};

// scatter_add: y = trunk, then y[table[j]] += branch[j].
template <class T>
class ScatterAdd final : public Kernel {
 public:
  explicit ScatterAdd(const KernelSetup& setup) : table_(setup.node.attributes.integers("table")) {}

  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& arguments) override {
    const Tensor& trunk = arguments.inputs[0];
    const Tensor& branch = arguments.inputs[1];
    const Tensor& output = arguments.output;
    const auto* x = trunk.as<T>();
    const auto* b = branch.as<T>();
    auto* y = output.as<T>();
    const std::int64_t channels = output.channels();
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < output.rows(); ++row) {
      const T* added = b + row * branch.leading;
      T* out = y + row * output.leading;
      std::copy_n(x + row * trunk.leading, channels, out);
      std::fill(out + channels, out + output.leading, T{});
      for (std::size_t j = 0; j < table_.size(); ++j) out[table_[j]] = out[table_[j]] + added[j];
    }
  }

  void backward(const BackwardArguments& arguments) override {
    const Tensor& gradient = arguments.output_gradient;
    if (!arguments.input_gradients[0].empty()) copy_tensor<T>(gradient, arguments.input_gradients[0]);
    const Tensor& target = arguments.input_gradients[1];
    if (target.empty()) return;
    const auto* dy = gradient.as<T>();
    auto* db = target.as<T>();
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < target.rows(); ++row) {
      const T* from = dy + row * gradient.leading;
      T* out = db + row * target.leading;
      for (std::size_t j = 0; j < table_.size(); ++j) out[j] = from[table_[j]];
      std::fill(out + target.channels(), out + target.leading, T{});
    }
  }

 private:
  std::vector<std::int64_t> table_;
};

// flatten: feature (h*W + w)*C + c of a sample. Only called where a leading dimension makes it more than a
// view.
template <class T>
class Flatten final : public Kernel {
 public:
  explicit Flatten(const KernelSetup& /*setup*/) {}

  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& arguments) override {
    const Tensor& input = arguments.inputs[0];
    const Tensor& output = arguments.output;
    const std::int64_t positions = input.shape[1] * input.shape[2];
    const auto* x = input.as<T>();
    auto* y = output.as<T>();
    for (std::int64_t n = 0; n < output.rows(); ++n) {
      T* row = y + n * output.leading;
      copy_rows(x + n * positions * input.leading, input.leading, row, input.channels(), positions,
                input.channels());
      std::fill(row + output.channels(), row + output.leading, T{});
    }
  }

  void backward(const BackwardArguments& arguments) override {
    const Tensor& gradient = arguments.output_gradient;
    const Tensor& target = arguments.input_gradients[0];
    if (target.empty()) return;
    const std::int64_t positions = target.shape[1] * target.shape[2];
    const auto* dy = gradient.as<T>();
    auto* dx = target.as<T>();
    for (std::int64_t n = 0; n < gradient.rows(); ++n) {
      copy_rows(dy + n * gradient.leading, target.channels(), dx + n * positions * target.leading,
                target.leading, positions, target.channels());
    }
  }
};

}  // namespace

void register_channel_kernels() {
  register_map_kernel<Concat>("concat");
  register_map_kernel<ChannelTable>("pad_channels");
  register_map_kernel<ChannelTable>("gather_channels");
  register_map_kernel<ScatterAdd>("scatter_add");
  register_map_kernel<Flatten>("flatten");
}

}  // namespace secateur::cpu
