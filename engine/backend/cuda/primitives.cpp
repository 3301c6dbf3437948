// Primitives on the kernels of kernels/. What a call needs on the device for a moment (tables, partial sums)
// lies in the stream's scratch memory.
#include <algorithm>

#include "backend/cuda/cuda_kernel.h"
#include "backend/cuda/cuda_kernels.h"
#include "backend/cuda/device_step.h"
#include "backend/cuda/weight_update.h"
#include "secateur/backend/primitives.h"
#include "secateur/kernels/augment.h"
#include "secateur/kernels/channel_gather.h"
#include "secateur/kernels/filter_norm.h"
#include "secateur/kernels/pairwise_correlation.h"
#include "secateur/kernels/redundancy.h"
#include "secateur/kernels/weight_average.h"

namespace secateur::cuda {
namespace {

void check(const kernels::Status& status) { require(status.ok(), "{}", status.message); }

void require_float32(DType type, std::string_view what) {
  require(type == DType::f32, "{} takes f32 on a GPU, got {}", what, name_of(type));
}

kernels::NormKind norm_kind(FilterNorm norm) {
  switch (norm) {
    case FilterNorm::l1:
      return kernels::NormKind::l1;
    case FilterNorm::l2:
      return kernels::NormKind::l2;
    case FilterNorm::max:
      break;
  }
  return kernels::NormKind::max;
}

class CudaPrimitives final : public Primitives {
 public:
  void sgd_update(Stream& stream, DType type, void* weights, const void* gradients, void* momentum,
                  std::span<const UpdateSegment> segments, const SgdSettings& settings) override {
    require_float32(type, "the weight update");
    CudaStream& cuda = ready(stream);
    const kernels::SgdStep step{static_cast<float>(settings.learning_rate),
                                static_cast<float>(settings.momentum),
                                static_cast<float>(settings.gradient_scale), settings.nesterov ? 1 : 0};
    auto* on_device = static_cast<kernels::SgdStep*>(cuda.scratch(sizeof(step)));
    cuda.copy_to_device(on_device, &step, sizeof(step));
    queue_weight_update(cuda,
                        {.weights = weights,
                         .gradients = gradients,
                         .momentum = momentum,
                         .segments = segments,
                         .decay = settings.decay},
                        on_device, nullptr);
  }

  void average_update(Stream& stream, DType type, void* averages, const void* values, std::int64_t count,
                      double keep) override {
    require_float32(type, "the average of weights");
    CudaStream& cuda = ready(stream);
    const auto weight = static_cast<float>(1 - keep);
    auto* on_device = static_cast<float*>(cuda.scratch(sizeof(weight)));
    cuda.copy_to_device(on_device, &weight, sizeof(weight));
    check(kernels::weight_average(static_cast<float*>(averages), static_cast<const float*>(values), count,
                                  on_device, nullptr, cuda.handle()));
  }

  void filter_norms(Stream& stream, FilterNorm norm, std::span<const NormRequest> requests) override {
    CudaStream& cuda = ready(stream);
    std::int64_t total = 0;
    for (const NormRequest& request : requests) {
      const Tensor& filters = request.filters;
      require(filters.dense() && filters.shape.rank() >= 1,
              "filters are dense, got {} with leading dimension {}", filters.shape.to_string(),
              filters.leading);
      require_float32(filters.dtype, "the norm of filters");
      total += filters.shape[0];
    }
    if (total == 0) return;
    auto* norms = static_cast<double*>(cuda.scratch(total * size_of(DType::f64)));
    std::vector<kernels::FilterNormSegment> table;
    std::int64_t first = 0;
    for (const NormRequest& request : requests) {
      const std::int64_t rows = request.filters.shape[0];
      table.push_back(
          {norms + first, request.filters.data, rows, rows == 0 ? 0 : request.filters.count() / rows});
      first += rows;
    }
    check(kernels::filter_norm(table.data(), static_cast<std::int64_t>(table.size()), kernels::DType::f32,
                               norm_kind(norm), false, cuda.handle()));
    std::vector<double> results(static_cast<std::size_t>(total));
    cuda.copy_to_host(results.data(), norms, total * size_of(DType::f64));
    auto result = results.begin();
    for (const NormRequest& request : requests) {
      std::copy_n(result, request.filters.shape[0], request.norms);
      result += request.filters.shape[0];
    }
  }

  void accumulate_redundancy(Stream& stream, CorrelationKind kind, const Tensor& maps, std::int64_t images,
                             const RedundancySums& sums) override {
    require(maps.shape.rank() == 4, "feature maps are [N, H, W, C], got {}", maps.shape.to_string());
    require(images >= 0 && images <= maps.shape[0], "{} images were asked for, the maps hold {}", images,
            maps.shape[0]);
    if (images == 0 || maps.count() == 0) return;
    CudaStream& cuda = ready(stream);
    const kernels::MapShape shape{kernel_type(maps.dtype), images, maps.shape[1] * maps.shape[2],
                                  maps.channels(), maps.leading};
    if (kind == CorrelationKind::signed_mean) {
      const std::int64_t bytes = kernels::redundancy_workspace(shape);
      check(kernels::redundancy(sums.redundancy_sum, sums.constant_images, maps.data, shape,
                                cuda.scratch(bytes), bytes, cuda.handle()));
      return;
    }
    pairwise(cuda, kind, maps, shape, sums);
  }

  void gather(Stream& stream, DType type, std::span<const GatherSegment> segments) override {
    CudaStream& cuda = ready(stream);
    std::vector<std::int32_t> indices;
    const auto place = [&](std::span<const std::int64_t> table) {
      const std::size_t offset = indices.size();
      std::ranges::transform(table, std::back_inserter(indices),
                             [](std::int64_t index) { return static_cast<std::int32_t>(index); });
      return offset;
    };
    std::vector<std::array<std::size_t, 3>> offsets;
    for (const GatherSegment& s : segments)
      offsets.push_back({place(s.rows), place(s.row_group), place(s.columns)});
    const auto bytes = static_cast<std::int64_t>(indices.size() * sizeof(std::int32_t));
    auto* tables = static_cast<std::int32_t*>(cuda.scratch(bytes));
    cuda.copy_to_device(tables, indices.data(), bytes);
    std::vector<kernels::GatherSegment> list;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const GatherSegment& s = segments[i];
      list.push_back({.out = s.destination,
                      .in = s.source,
                      .rows = tables + offsets[i][0],
                      .row_group = s.row_group.empty() ? nullptr : tables + offsets[i][1],
                      .columns = tables + offsets[i][2],
                      .out_rows = static_cast<std::int64_t>(s.rows.size()),
                      .middle = s.middle,
                      .in_columns = s.in_columns,
                      .out_columns = s.out_columns,
                      .out_stride = s.out_columns});
    }
    check(kernels::channel_gather(list.data(), static_cast<std::int64_t>(list.size()),
                                  static_cast<int>(size_of(type)), cuda.handle()));
    cuda.synchronize();  // the host's tables go
  }

  void add(Stream& stream, const Tensor& a, const Tensor& b, const Tensor& out) override {
    require(a.shape == out.shape && b.shape == out.shape,
            "tensors that are added have one shape, got {} + {} -> {}", a.shape.to_string(),
            b.shape.to_string(), out.shape.to_string());
    require(a.leading == out.leading && b.leading == out.leading,
            "tensors that are added on a GPU are stored alike, got leading dimensions {} + {} -> {}",
            a.leading, b.leading, out.leading);
    CudaStream& cuda = ready(stream);
    check(kernels::add(out.data, a.data, b.data, false, storage_of(out), cuda.handle()));
  }

  void fill(Stream& stream, const Tensor& out, double value) override {
    CudaStream& cuda = ready(stream);
    check(kernels::fill(out.data, static_cast<float>(value), storage_of(out), cuda.handle()));
  }

  void load_images(Stream& stream, const std::uint8_t* pixels, std::int64_t count,
                   std::span<const double> mean, std::span<const double> deviation,
                   const ImageAugmentation& augmentation, const Tensor& images) override {
    const std::int64_t channels = images.channels();
    require(images.shape.rank() == 4 && count >= 0 && count <= images.shape[0],
            "{} images do not fit into a tensor {}", count, images.shape.to_string());
    require(static_cast<std::int64_t>(mean.size()) == channels && deviation.size() == mean.size() &&
                channels <= kernels::kMaxImageChannels,
            "{} means and {} deviations for images of {} channels (a GPU takes at most {})", mean.size(),
            deviation.size(), channels, kernels::kMaxImageChannels);
    kernels::AugmentOptions options{.type = kernel_type(images.dtype),
                                    .height = images.shape[1],
                                    .width = images.shape[2],
                                    .channels = channels,
                                    .out_height = images.shape[1],
                                    .out_width = images.shape[2],
                                    .padding = augmentation.padding,
                                    .ld = images.leading,
                                    .random_crop = augmentation.crop,
                                    .random_flip = augmentation.mirror,
                                    .seed = augmentation.seed};
    for (std::size_t c = 0; c < mean.size(); ++c) {
      options.mean[c] = static_cast<float>(mean[c]);
      options.inverse_deviation[c] = static_cast<float>(1 / deviation[c]);
    }
    CudaStream& cuda = ready(stream);
    const kernels::AugmentBatch batch{augmentation.samples, augmentation.epoch, augmentation.first,
                                      augmentation.labels, augmentation.loaded_labels};
    check(kernels::augment(images.data, pixels, batch, count, options, cuda.handle()));
  }

  [[nodiscard]] bool all_finite(Stream& stream, DType type, const void* values, std::int64_t count) override {
    if (count == 0) return true;
    CudaStream& cuda = ready(stream);
    auto* flag = static_cast<std::int32_t*>(cuda.scratch(sizeof(std::int32_t)));
    cuda.zero(flag, sizeof(std::int32_t));
    check(kernels::find_nonfinite(flag, values, {kernel_type(type), 1, count, count}, cuda.handle()));
    std::int32_t found = 0;
    cuda.copy_to_host(&found, flag, sizeof(found));
    return found == 0;
  }

  [[nodiscard]] std::unique_ptr<DeviceStep> make_device_step(Stream& stream) override {
    if (!stream.can_record()) return nullptr;
    return std::make_unique<CudaDeviceStep>(ready(stream));
  }

 private:
  static CudaStream& ready(Stream& stream) {
    CudaStream& cuda = cuda_stream(stream);
    require(!cuda.cuda_device().described(), "{}: a GPU that is only described runs nothing",
            cuda.device().description());
    cuda.make_current();
    return cuda;
  }

  // 16-bit maps are multiplied on tensor cores, whose rounding is far below what such maps carry themselves.
  static void pairwise(CudaStream& cuda, CorrelationKind kind, const Tensor& maps,
                       const kernels::MapShape& shape, const RedundancySums& sums) {
    const std::int64_t matrix_bytes =
        align_up(shape.channels * shape.channels * size_of(DType::f32), Device::kAlignment);
    const std::int64_t workspace_bytes = kernels::pairwise_correlation_workspace(shape);
    auto* matrix = static_cast<float*>(cuda.scratch(matrix_bytes + workspace_bytes));
    void* workspace = reinterpret_cast<std::byte*>(matrix) + matrix_bytes;
    cuda.zero(matrix, matrix_bytes);
    check(kernels::pairwise_correlation(
        matrix, sums.constant_images, maps.data, shape,
        kind == CorrelationKind::absolute_mean ? kernels::CorrelationKind::absolute
                                               : kernels::CorrelationKind::squared,
        shape.type == kernels::DType::f32 ? kernels::CorrelationArithmetic::fp32
                                          : kernels::CorrelationArithmetic::tensor_core,
        workspace, workspace_bytes, cuda.handle()));
    check(kernels::correlation_row_sums(sums.redundancy_sum, matrix, shape.channels, cuda.handle()));
  }
};

}  // namespace

void register_cuda_primitives() {
  static CudaPrimitives primitives;  // stateless
  register_primitives(DeviceKind::cuda, primitives);
}

}  // namespace secateur::cuda
