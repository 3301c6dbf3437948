// What the kernels of the CUDA back end share: types and shapes as kernels/ takes them, checked calls, index
// tables on the device, parts of a workspace.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/cuda/cuda_device.h"
#include "secateur/backend/kernel.h"
#include "secateur/core/error.h"
#include "secateur/kernels/elementwise.h"
#include "secateur/kernels/status.h"

namespace secateur::cuda {

// Throws Error for a type that no map on a GPU has.
[[nodiscard]] kernels::DType kernel_type(DType type);

// Throws Error that names the layer.
void check(const kernels::Status& status, std::string_view layer);

// A map as kernels/ sees it: its channels, or all its memory as one row, padding lanes included.
[[nodiscard]] inline kernels::ElementwiseShape channels_of(const Tensor& map) {
  return {kernel_type(map.dtype), map.rows(), map.channels(), map.leading};
}
[[nodiscard]] inline kernels::ElementwiseShape storage_of(const Tensor& map) {
  const std::int64_t elements = map.rows() * map.leading;
  return {kernel_type(map.dtype), 1, elements, elements};
}

// Copies `channels` lanes of each row between maps of one type; lanes of `out` from there to `zeroed` become
// zero (0: none).
void copy_lanes(void* out, std::int64_t out_leading, const void* in, std::int64_t leading, std::int64_t rows,
                std::int64_t channels, std::int64_t zeroed, DType type, cudaStream_t stream,
                std::string_view layer);
// A whole map; the padding lanes of `out` become zero.
void copy_map(const Tensor& out, const Tensor& in, cudaStream_t stream, std::string_view layer);

// Indices that a kernel reads for as long as it lives. Empty where there are none.
class IndexTable {
 public:
  IndexTable() = default;
  IndexTable(Stream& stream, const std::vector<std::int32_t>& indices);
  [[nodiscard]] const std::int32_t* data() const {
    return reinterpret_cast<const std::int32_t*>(slab_.data());
  }

 private:
  Slab slab_;
};

// Parts of a workspace, one after the other; a part of no bytes has no place.
class Parts {
 public:
  static constexpr std::int64_t kNone = -1;
  std::int64_t take(std::int64_t bytes) {
    if (bytes <= 0) return kNone;
    const std::int64_t offset = end_;
    end_ = align_up(end_ + bytes, Device::kAlignment);
    return offset;
  }
  [[nodiscard]] std::int64_t bytes() const { return end_; }

 private:
  std::int64_t end_ = 0;
};
[[nodiscard]] inline void* part(void* workspace, std::int64_t offset) {
  return offset == Parts::kNone ? nullptr : static_cast<std::byte*>(workspace) + offset;
}

// Base of every kernel but convolution's: remembers its layer's name and its stream.
class CudaKernel : public Kernel {
 public:
  explicit CudaKernel(const KernelSetup& setup)
      : layer_(setup.node.name), stream_(cuda_stream(setup.stream)) {}

 protected:
  [[nodiscard]] const std::string& layer() const { return layer_; }
  [[nodiscard]] CudaStream& stream() const { return stream_; }
  [[nodiscard]] cudaStream_t handle() const { return stream_.handle(); }
  void check(const kernels::Status& status) const { cuda::check(status, layer_); }

 private:
  std::string layer_;
  CudaStream& stream_;
};

// The reason why a setup is none for this back end: fp64, or activations and parameters of other types than
// the precision's. Inputs from `first_other` on may be of any type.
[[nodiscard]] std::optional<std::string> unless_stored_as_expected(const KernelSetup& setup,
                                                                   std::size_t first_other);

template <class KernelType>
void register_kernel_of(std::string_view op, std::size_t first_other = ~std::size_t{0}) {
  register_kernel(op, DeviceKind::cuda,
                  {.make = [](const KernelSetup& setup) { return std::make_unique<KernelType>(setup); },
                   .unsupported =
                       [first_other](const KernelSetup& setup) {
                         return unless_stored_as_expected(setup, first_other);
                       }});
}

}  // namespace secateur::cuda
