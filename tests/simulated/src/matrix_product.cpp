#include <algorithm>
#include <vector>

#include "cublasLt.h"
#include "secateur/core/host_values.h"
#include "simt/stream.h"

struct cublasLtMatmulDescOpaque {
  bool transposed_a = false;
  bool transposed_b = false;
};
struct cublasLtMatrixLayoutOpaque {
  secateur::DType type;
  std::int64_t rows, columns, leading;
};
struct cublasLtMatmulPreferenceOpaque {};

namespace {

using secateur::DType;

int handle_object = 0;

// Column-major: element (i, j) stands at j * leading + i. A row past the leading dimension would be another
// column's.
std::vector<double> read(const void* data, const cublasLtMatrixLayoutOpaque& layout) {
  std::vector<double> values;
  const std::int64_t bytes = secateur::size_of(layout.type);
  const auto* first = static_cast<const std::byte*>(data);
  for (std::int64_t j = 0; j < layout.columns; ++j) {
    for (std::int64_t i = 0; i < layout.rows; ++i) {
      values.push_back(secateur::decode_element(layout.type, first + (j * layout.leading + i) * bytes));
    }
  }
  return values;
}

// D = op(A) op(B). Descriptions are copied: the work may run after they are gone.
struct Product {
  cublasLtMatmulDescOpaque operation;
  cublasLtMatrixLayoutOpaque a_layout, b_layout, d_layout;
  const void* a;
  const void* b;
  void* d;
  void* workspace;
  std::size_t workspace_bytes;

  [[nodiscard]] std::int64_t depth() const {
    return operation.transposed_a ? a_layout.rows : a_layout.columns;
  }
  [[nodiscard]] bool fits() const {
    return (operation.transposed_a ? a_layout.columns : a_layout.rows) == d_layout.rows &&
           (operation.transposed_b ? b_layout.rows : b_layout.columns) == d_layout.columns &&
           (operation.transposed_b ? b_layout.columns : b_layout.rows) == depth();
  }
  void run() const {
    std::fill_n(static_cast<std::byte*>(workspace), workspace_bytes, std::byte{0xFF});
    const std::vector<double> left = read(a, a_layout);
    const std::vector<double> right = read(b, b_layout);
    const auto at = [](std::int64_t i, std::int64_t j, std::int64_t rows) {
      return static_cast<std::size_t>(j * rows + i);
    };
    const std::int64_t bytes = secateur::size_of(d_layout.type);
    for (std::int64_t j = 0; j < d_layout.columns; ++j) {
      for (std::int64_t i = 0; i < d_layout.rows; ++i) {
        double sum = 0;
        for (std::int64_t l = 0; l < depth(); ++l) {
          sum += left[operation.transposed_a ? at(l, i, a_layout.rows) : at(i, l, a_layout.rows)] *
                 right[operation.transposed_b ? at(j, l, b_layout.rows) : at(l, j, b_layout.rows)];
        }
        secateur::encode_element(d_layout.type, sum,
                                 static_cast<std::byte*>(d) + (j * d_layout.leading + i) * bytes);
      }
    }
  }
};

}  // namespace

const char* cublasLtGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS ? "CUBLAS_STATUS_SUCCESS" : "CUBLAS_STATUS_INVALID_VALUE";
}
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(&handle_object);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t /*handle*/) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* descriptor, cublasComputeType_t /*compute*/,
                                        cudaDataType_t /*scale*/) {
  *descriptor = new cublasLtMatmulDescOpaque;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t descriptor) {
  delete descriptor;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t descriptor,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              std::size_t bytes) {
  if (bytes != sizeof(cublasOperation_t)) return CUBLAS_STATUS_INVALID_VALUE;
  const bool transposed = *static_cast<const cublasOperation_t*>(value) == CUBLAS_OP_T;
  (attribute == CUBLASLT_MATMUL_DESC_TRANSA ? descriptor->transposed_a : descriptor->transposed_b) =
      transposed;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type,
                                          std::uint64_t rows, std::uint64_t columns, std::int64_t leading) {
  if (leading < static_cast<std::int64_t>(rows)) return CUBLAS_STATUS_INVALID_VALUE;
  const DType element = type == CUDA_R_32F ? DType::f32 : type == CUDA_R_16F ? DType::f16 : DType::bf16;
  *layout = new cublasLtMatrixLayoutOpaque{element, static_cast<std::int64_t>(rows),
                                           static_cast<std::int64_t>(columns), leading};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new cublasLtMatmulPreferenceOpaque;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t /*preference*/,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* /*value*/, std::size_t bytes) {
  const std::size_t expected =
      attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? sizeof(std::uint64_t) : sizeof(std::uint32_t);
  return bytes == expected ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t /*handle*/, cublasLtMatmulDesc_t /*operation*/,
                                              cublasLtMatrixLayout_t /*a*/, cublasLtMatrixLayout_t /*b*/,
                                              cublasLtMatrixLayout_t /*c*/, cublasLtMatrixLayout_t /*d*/,
                                              cublasLtMatmulPreference_t /*preference*/, int /*wanted*/,
                                              cublasLtMatmulHeuristicResult_t* results, int* found) {
  results[0] = {};
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t /*handle*/, cublasLtMatmulDesc_t operation, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* /*c*/,
                              cublasLtMatrixLayout_t /*c_layout*/, void* d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* /*algorithm*/, void* workspace,
                              std::size_t workspace_bytes, cudaStream_t stream) {
  if (*static_cast<const float*>(alpha) != 1 || *static_cast<const float*>(beta) != 0) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  const Product product{*operation, *a_layout, *b_layout, *d_layout, a, b, d, workspace, workspace_bytes};
  if (!product.fits()) return CUBLAS_STATUS_INVALID_VALUE;
  secateur::simt::submit(stream, {.run =
                                      [product] {
                                        product.run();
                                        return std::string();
                                      },
                                  .kernel = true});
  return CUBLAS_STATUS_SUCCESS;
}
