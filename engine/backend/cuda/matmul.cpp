#include "backend/cuda/matmul.h"

#include <optional>

#include "backend/cuda/cuda_device.h"
#include "secateur/core/error.h"

namespace secateur::cuda {
namespace {

cudaDataType_t data_type(DType type) {
  switch (type) {
    case DType::f32:
      return CUDA_R_32F;
    case DType::f16:
      return CUDA_R_16F;
    case DType::bf16:
      return CUDA_R_16BF;
    default:
      fail("cuBLASLt multiplies f32, f16 and bf16 here, not {}", name_of(type));
  }
}

}  // namespace

std::string MatmulShape::to_string() const {
  return fmt::format("{}x{} . {}x{} in {}", m, k, k, n, name_of(precision));
}

// cuBLASLt thinks in columns: a row-major matrix is the transpose of what it sees. out^T = op(b)^T op(a)^T
// has the operands changed over and everything else as it was.
struct Matmul::Descriptors {
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t first = nullptr, second = nullptr, out = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  std::optional<cublasLtMatmulAlgo_t> algorithm;

  explicit Descriptors(const MatmulShape& s) {
    const cublasComputeType_t compute =
        s.precision == Precision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    call(cublasLtMatmulDescCreate(&operation, compute, CUDA_R_32F));
    set(CUBLASLT_MATMUL_DESC_TRANSA, s.b.transposed);
    set(CUBLASLT_MATMUL_DESC_TRANSB, s.a.transposed);
    lay_out(first, s.b, s.k, s.n);
    lay_out(second, s.a, s.m, s.k);
    lay_out(out, {s.out_type, s.out_leading, false}, s.m, s.n);
    call(cublasLtMatmulPreferenceCreate(&preference));
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{kWorkspace});
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
           std::uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    constexpr std::uint32_t kAlignment = 16;
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, kAlignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, kAlignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, kAlignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, kAlignment);
  }

  ~Descriptors() {
    if (preference != nullptr) cublasLtMatmulPreferenceDestroy(preference);
    for (cublasLtMatrixLayout_t layout : {first, second, out}) {
      if (layout != nullptr) cublasLtMatrixLayoutDestroy(layout);
    }
    if (operation != nullptr) cublasLtMatmulDescDestroy(operation);
  }
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

 private:
  static void call(cublasStatus_t status) { check_cublas(status, "describing a matrix product"); }

  void set(cublasLtMatmulDescAttributes_t attribute, bool transposed) const {
    const cublasOperation_t value = transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    call(cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof(value)));
  }

  // `rows` x `columns` is the operand after op(): the stored one has them the other way round where it is
  // transposed.
  static void lay_out(cublasLtMatrixLayout_t& layout, const MatmulOperand& operand, std::int64_t rows,
                      std::int64_t columns) {
    if (operand.transposed) std::swap(rows, columns);
    call(cublasLtMatrixLayoutCreate(&layout, data_type(operand.type), static_cast<std::uint64_t>(columns),
                                    static_cast<std::uint64_t>(rows), operand.leading));
  }

  template <class Value>
  void prefer(cublasLtMatmulPreferenceAttributes_t attribute, Value value) const {
    call(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value)));
  }
};

Matmul::Matmul(const MatmulShape& shape)
    : shape_(shape), descriptors_(std::make_unique<Descriptors>(shape)) {}
Matmul::Matmul(Matmul&&) noexcept = default;
Matmul::~Matmul() = default;

void Matmul::run(cublasLtHandle_t handle, cudaStream_t stream, const void* a, const void* b, void* out,
                 void* workspace) {
  Descriptors& d = *descriptors_;
  if (!d.algorithm) {
    require(handle != nullptr, "matrix product {}: a GPU that is only described cannot run it",
            shape_.to_string());
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        handle, d.operation, d.first, d.second, d.out, d.out, d.preference, 1, &found, &count);
    check_cublas(status, fmt::format("matrix product {}", shape_.to_string()));
    require(count > 0, "matrix product {}: cuBLASLt has no algorithm", shape_.to_string());
    d.algorithm = found.algo;
  }
  const float one = 1;
  const float zero = 0;
  check_cublas(cublasLtMatmul(handle, d.operation, &one, b, d.first, a, d.second, &zero, out, d.out, out,
                              d.out, &*d.algorithm, workspace, kWorkspace, stream),
               fmt::format("matrix product {}", shape_.to_string()));
}

}  // namespace secateur::cuda
