#include "secateur/bench/cuda/library_runners.h"

#include <cublasLt.h>
#include <cudnn.h>
#include <fmt/format.h>

#include <memory>

#include "secateur/bench/cuda/device.h"
#include "secateur/core/error.h"

namespace secateur::bench::library {
namespace {

void check(cudnnStatus_t status, const char* what) {
  require(status == CUDNN_STATUS_SUCCESS, "cuDNN: {}: {}", what, cudnnGetErrorString(status));
}
void check(cublasStatus_t status, const char* what) {
  require(status == CUBLAS_STATUS_SUCCESS, "cuBLASLt: {}: {}", what, cublasLtGetStatusString(status));
}

cudnnDataType_t cudnn_type(kernels::DType type) {
  switch (type) {
    case kernels::DType::f16:
      return CUDNN_DATA_HALF;
    case kernels::DType::bf16:
      return CUDNN_DATA_BFLOAT16;
    default:
      return CUDNN_DATA_FLOAT;
  }
}
cudaDataType_t cuda_type(kernels::DType type) {
  switch (type) {
    case kernels::DType::f16:
      return CUDA_R_16F;
    case kernels::DType::bf16:
      return CUDA_R_16BF;
    default:
      return CUDA_R_32F;
  }
}

// A handle of one of the libraries and what destroys it.
template <class Handle, auto destroy>
class Owned {
 public:
  explicit Owned(Handle handle) : handle_(handle) {}
  ~Owned() { static_cast<void>(destroy(handle_)); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  [[nodiscard]] Handle get() const { return handle_; }

 private:
  Handle handle_;
};

using Cudnn = Owned<cudnnHandle_t, cudnnDestroy>;
using Descriptor = Owned<cudnnTensorDescriptor_t, cudnnDestroyTensorDescriptor>;

std::shared_ptr<Cudnn> cudnn_on(cudaStream_t stream) {
  cudnnHandle_t handle = nullptr;
  check(cudnnCreate(&handle), "a handle");
  auto owned = std::make_shared<Cudnn>(handle);
  check(cudnnSetStream(handle, stream), "its stream");
  return owned;
}

std::shared_ptr<Descriptor> nhwc(cudnnDataType_t type, std::int64_t images, std::int64_t height,
                                 std::int64_t width, std::int64_t channels) {
  cudnnTensorDescriptor_t descriptor = nullptr;
  check(cudnnCreateTensorDescriptor(&descriptor), "a descriptor");
  auto owned = std::make_shared<Descriptor>(descriptor);
  check(cudnnSetTensor4dDescriptor(descriptor, CUDNN_TENSOR_NHWC, type, static_cast<int>(images),
                                   static_cast<int>(channels), static_cast<int>(height),
                                   static_cast<int>(width)),
        "a descriptor");
  return owned;
}

Memory values(const Place& place, std::int64_t count, std::uint32_t seed) {
  auto memory = std::make_shared<DeviceArray>(count * kernels::size_of(place.type));
  fill_random(memory->data(), place.type, count, seed, place.stream);
  return memory;
}
Memory reals(const Place& place, std::int64_t count, std::uint32_t seed) {
  return values({kernels::DType::f32, place.stream}, count, seed);
}

constexpr float kOne = 1;
constexpr float kZero = 0;

}  // namespace

std::string versions() {
  return fmt::format("cuDNN {}, cuBLASLt {}", cudnnGetVersion(), cublasLtGetVersion());
}

// cuDNN 9 calls these functions deprecated in favour of graphs; they are what a program without graphs has.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

Runner batch_norm(const Place& place, std::int64_t images, std::int64_t positions, std::int64_t channels,
                  bool backward) {
  const auto handle = cudnn_on(place.stream);
  const auto maps = nhwc(cudnn_type(place.type), images, positions, 1, channels);
  const auto vector = nhwc(CUDNN_DATA_FLOAT, 1, 1, 1, channels);
  const std::int64_t count = images * positions * channels;
  const Memory x = values(place, count, 1);
  const Memory y = values(place, count, 2);
  const Memory dy = backward ? values(place, count, 3) : nullptr;
  const Memory vectors = reals(place, 8 * channels, 4);
  const auto at = [vectors, channels](std::int64_t i) { return vectors->as<float>() + i * channels; };
  constexpr double kEpsilon = 1e-5;
  constexpr double kMomentum = 0.1;
  constexpr auto kMode = CUDNN_BATCHNORM_SPATIAL_PERSISTENT;
  const auto forward = [=] {
    check(cudnnBatchNormalizationForwardTraining(handle->get(), kMode, &kOne, &kZero, maps->get(), x->data(),
                                                 maps->get(), y->data(), vector->get(), at(0), at(1),
                                                 kMomentum, at(2), at(3), kEpsilon, at(4), at(5)),
          "batch norm");
  };
  if (!backward) return {forward, nullptr};
  forward();
  return {
      [=] {
        check(cudnnBatchNormalizationBackward(handle->get(), kMode, &kOne, &kZero, &kOne, &kZero, maps->get(),
                                              x->data(), maps->get(), dy->data(), maps->get(), y->data(),
                                              vector->get(), at(0), at(6), at(7), kEpsilon, at(4), at(5)),
              "batch norm's gradient");
      },
      nullptr};
}

Runner add(const Place& place, std::int64_t count) {
  const auto handle = cudnn_on(place.stream);
  constexpr std::int64_t kRow = 1024;  // the extents of a descriptor are ints
  require(count % kRow == 0, "{} elements are no rows of {}", count, kRow);
  const auto maps = nhwc(cudnn_type(place.type), count / kRow, 1, 1, kRow);
  cudnnOpTensorDescriptor_t operation = nullptr;
  check(cudnnCreateOpTensorDescriptor(&operation), "a descriptor");
  const auto owned =
      std::make_shared<Owned<cudnnOpTensorDescriptor_t, cudnnDestroyOpTensorDescriptor>>(operation);
  check(cudnnSetOpTensorDescriptor(operation, CUDNN_OP_TENSOR_ADD, CUDNN_DATA_FLOAT, CUDNN_PROPAGATE_NAN),
        "a sum");
  const Memory a = values(place, count, 1);
  const Memory b = values(place, count, 2);
  const Memory out = values(place, count, 3);
  return {[=] {
            check(cudnnOpTensor(handle->get(), owned->get(), &kOne, maps->get(), a->data(), &kOne,
                                maps->get(), b->data(), &kZero, maps->get(), out->data()),
                  "a sum");
          },
          nullptr};
}

Runner softmax(const Place& place, std::int64_t samples, std::int64_t classes) {
  const auto handle = cudnn_on(place.stream);
  const auto rows = nhwc(cudnn_type(place.type), samples, 1, 1, classes);
  const Memory logits = values(place, samples * classes, 1);
  const Memory out = values(place, samples * classes, 2);
  return {[=] {
            check(cudnnSoftmaxForward(handle->get(), CUDNN_SOFTMAX_LOG, CUDNN_SOFTMAX_MODE_INSTANCE, &kOne,
                                      rows->get(), logits->data(), &kZero, rows->get(), out->data()),
                  "softmax");
          },
          nullptr};
}

Runner max_pool(const Place& place, std::int64_t images, const PoolLayer& layer) {
  const auto handle = cudnn_on(place.stream);
  const std::int64_t out_side = layer.out_side();
  const auto in = nhwc(cudnn_type(place.type), images, layer.side, layer.side, layer.channels);
  const auto out = nhwc(cudnn_type(place.type), images, out_side, out_side, layer.channels);
  cudnnPoolingDescriptor_t pooling = nullptr;
  check(cudnnCreatePoolingDescriptor(&pooling), "a descriptor");
  const auto owned =
      std::make_shared<Owned<cudnnPoolingDescriptor_t, cudnnDestroyPoolingDescriptor>>(pooling);
  const auto kernel = static_cast<int>(layer.kernel);
  const auto padding = static_cast<int>(layer.padding());
  const auto stride = static_cast<int>(layer.stride);
  check(cudnnSetPooling2dDescriptor(pooling, CUDNN_POOLING_MAX_DETERMINISTIC, CUDNN_PROPAGATE_NAN, kernel,
                                    kernel, padding, padding, stride, stride),
        "pooling");
  const Memory x = values(place, images * layer.side * layer.side * layer.channels, 1);
  const Memory y = values(place, images * out_side * out_side * layer.channels, 2);
  return {[=] {
            check(cudnnPoolingForward(handle->get(), owned->get(), &kOne, in->get(), x->data(), &kZero,
                                      out->get(), y->data()),
                  "pooling");
          },
          nullptr};
}

#pragma GCC diagnostic pop

Runner correlation(const Place& place, std::int64_t images, std::int64_t positions, std::int64_t channels) {
  cublasLtHandle_t handle = nullptr;
  check(cublasLtCreate(&handle), "a handle");
  const auto library = std::make_shared<Owned<cublasLtHandle_t, cublasLtDestroy>>(handle);
  cublasLtMatmulDesc_t product = nullptr;
  check(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F), "a product");
  const auto owned = std::make_shared<Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>>(product);
  // Row-major [positions, channels] is column-major [channels, positions]: the product is z z^T there.
  const cublasOperation_t transposed = CUBLAS_OP_T;
  check(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSB, &transposed, sizeof(transposed)),
        "a product");
  const auto layout = [&](cudaDataType_t type, std::int64_t columns) {
    cublasLtMatrixLayout_t matrix = nullptr;
    check(cublasLtMatrixLayoutCreate(&matrix, type, static_cast<std::uint64_t>(channels),
                                     static_cast<std::uint64_t>(columns), channels),
          "a matrix");
    auto result = std::make_shared<Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>>(matrix);
    const auto count = static_cast<std::int32_t>(images);
    const std::int64_t stride = channels * columns;
    check(cublasLtMatrixLayoutSetAttribute(matrix, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)),
          "a batch");
    check(cublasLtMatrixLayoutSetAttribute(matrix, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                                           sizeof(stride)),
          "a batch");
    return result;
  };
  const auto maps = layout(cuda_type(place.type), positions);
  const auto matrices = layout(CUDA_R_32F, channels);
  const Memory z = values(place, images * positions * channels, 1);
  const Memory out = reals(place, images * channels * channels, 2);
  return {[=, stream = place.stream] {
            check(cublasLtMatmul(library->get(), owned->get(), &kOne, z->data(), maps->get(), z->data(),
                                 maps->get(), &kZero, out->data(), matrices->get(), out->data(),
                                 matrices->get(), nullptr, nullptr, 0, stream),
                  "a product");
          },
          nullptr};
}

}  // namespace secateur::bench::library
