#include "backend/cuda/cuda_kernel.h"

#include <algorithm>

namespace secateur::cuda {

kernels::DType kernel_type(DType type) {
  switch (type) {
    case DType::f32:
      return kernels::DType::f32;
    case DType::f16:
      return kernels::DType::f16;
    case DType::bf16:
      return kernels::DType::bf16;
    default:
      fail("maps on a GPU are f32, f16 or bf16, not {}", name_of(type));
  }
}

void check(const kernels::Status& status, std::string_view layer) {
  require(status.ok(), "layer '{}': {}", layer, status.message);
}

void copy_lanes(void* out, std::int64_t out_leading, const void* in, std::int64_t leading, std::int64_t rows,
                std::int64_t channels, std::int64_t zeroed, DType type, cudaStream_t stream,
                std::string_view layer) {
  const kernels::DType element = kernel_type(type);
  check(kernels::cast(out, in, {element, element, rows, channels, out_leading, leading, zeroed}, stream),
        layer);
}

void copy_map(const Tensor& out, const Tensor& in, cudaStream_t stream, std::string_view layer) {
  copy_lanes(out.data, out.leading, in.data, in.leading, out.rows(), out.channels(), out.leading, out.dtype,
             stream, layer);
}

IndexTable::IndexTable(Stream& stream, const std::vector<std::int32_t>& indices)
    : slab_(stream.device(), static_cast<std::int64_t>(indices.size() * sizeof(std::int32_t))) {
  stream.copy_to_device(slab_.data(), indices.data(), slab_.bytes());
  stream.synchronize();  // the host's copy may go
}

std::optional<std::string> unless_stored_as_expected(const KernelSetup& setup, std::size_t first_other) {
  if (setup.precision == Precision::fp64) return "a GPU computes in fp32, tf32, bf16 or fp16";
  const DType type = storage_type(setup.precision);
  const auto inputs = setup.inputs.first(std::min(first_other, setup.inputs.size()));
  if (!std::ranges::all_of(inputs, [&](const Tensor& t) { return t.dtype == type; })) {
    return fmt::format("activations must be {}", name_of(type));
  }
  if (!std::ranges::all_of(setup.parameters, [](const Tensor& t) { return t.dtype == DType::f32; })) {
    return "parameters must be f32";
  }
  return std::nullopt;
}

}  // namespace secateur::cuda
