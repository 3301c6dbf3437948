// concat, pad_channels, gather_channels, scatter_add, flatten: values move, none is computed but sums of
// gradients.
#include <vector>

#include "backend/reference/maps.h"
#include "backend/reference/reference_kernels.h"

namespace secateur::reference {
namespace {

class Concat final : public Kernel {
 public:
  explicit Concat(const KernelSetup& setup) {
    std::int64_t first = 0;
    for (const Tensor& input : setup.inputs) {
      first_.push_back(first);
      first += input.channels();
    }
  }

  void forward(const ForwardArguments& a) override {
    clear(a.output);
    for (std::size_t i = 0; i < a.inputs.size(); ++i) {
      const Tensor& input = a.inputs[i];
      for (std::int64_t r = 0; r < input.rows(); ++r) {
        for (std::int64_t c = 0; c < input.channels(); ++c)
          row_of(a.output, r)[first_[i] + c] = row_of(input, r)[c];
      }
    }
  }

  void backward(const BackwardArguments& a) override {
    for (std::size_t i = 0; i < a.input_gradients.size(); ++i) {
      if (a.input_gradients[i].empty()) continue;
      fill_rows(a.input_gradients[i],
                [&](std::int64_t r, std::int64_t c) { return row_of(a.output_gradient, r)[first_[i] + c]; });
    }
  }

 private:
  std::vector<std::int64_t> first_;  // output channel where each input starts
};

// pad_channels and gather_channels: y[j] = x[table[j]], or 0 where the entry is -1.
class ChannelTable final : public Kernel {
 public:
  explicit ChannelTable(const KernelSetup& setup) : table_(setup.node.attributes.integers("table")) {}

  void forward(const ForwardArguments& a) override {
    fill_rows(a.output, [&](std::int64_t r, std::int64_t c) {
      const std::int64_t source = table_[static_cast<std::size_t>(c)];
      return source < 0 ? 0.0 : row_of(a.inputs[0], r)[source];
    });
  }

  void backward(const BackwardArguments& a) override {
    const Tensor& dx = a.input_gradients[0];
    if (dx.empty()) return;
    clear(dx);
    for (std::int64_t r = 0; r < dx.rows(); ++r) {
      for (std::size_t j = 0; j < table_.size(); ++j) {
        if (table_[j] >= 0) row_of(dx, r)[table_[j]] += row_of(a.output_gradient, r)[j];
      }
    }
  }

 private:
  std::vector<std::int64_t> table_;
};

// y = trunk; y[table[j]] += branch[j].
class ScatterAdd final : public Kernel {
 public:
  explicit ScatterAdd(const KernelSetup& setup) : table_(setup.node.attributes.integers("table")) {}

  void forward(const ForwardArguments& a) override {
    copy_map(a.inputs[0], a.output);
    for (std::int64_t r = 0; r < a.output.rows(); ++r) {
      for (std::size_t j = 0; j < table_.size(); ++j)
        row_of(a.output, r)[table_[j]] += row_of(a.inputs[1], r)[j];
    }
  }

  void backward(const BackwardArguments& a) override {
    if (!a.input_gradients[0].empty()) copy_map(a.output_gradient, a.input_gradients[0]);
    if (a.input_gradients[1].empty()) return;
    fill_rows(a.input_gradients[1], [&](std::int64_t r, std::int64_t c) {
      return row_of(a.output_gradient, r)[table_[static_cast<std::size_t>(c)]];
    });
  }

 private:
  std::vector<std::int64_t> table_;
};

// y[n, (h * W + w) * C + c] = x[n, h, w, c]
class Flatten final : public Kernel {
 public:
  explicit Flatten(const KernelSetup& /*setup*/) {}

  void forward(const ForwardArguments& a) override {
    const Tensor& x = a.inputs[0];
    const std::int64_t positions = x.shape[1] * x.shape[2];
    fill_rows(a.output, [&](std::int64_t n, std::int64_t feature) {
      return row_of(x, n * positions + feature / x.channels())[feature % x.channels()];
    });
  }

  void backward(const BackwardArguments& a) override {
    const Tensor& dx = a.input_gradients[0];
    if (dx.empty()) return;
    const std::int64_t positions = dx.shape[1] * dx.shape[2];
    fill_rows(dx, [&](std::int64_t r, std::int64_t c) {
      return row_of(a.output_gradient, r / positions)[r % positions * dx.channels() + c];
    });
  }
};

}  // namespace

void register_channel_kernels() {
  register_float64_kernel<Concat>("concat");
  register_float64_kernel<ChannelTable>("pad_channels");
  register_float64_kernel<ChannelTable>("gather_channels");
  register_float64_kernel<ScatterAdd>("scatter_add");
  register_float64_kernel<Flatten>("flatten");
}

}  // namespace secateur::reference
