// Pearson correlations of all pairs of feature maps, summed over images (Eqs. 3-9):
//
//   matrix[f, k] += sum over images of g(rho(f, k)),   g = identity, |.| or square
//
// matrix [channels, channels] fp32, dense, symmetric; the caller zeroes it before a sample, streams the
// sample through in batches of any size, and divides by the number of images. For scores alone with the
// signed mean, redundancy takes linear time; this is for the absolute and squared means, and for looking at
// the matrix itself.
//
// A constant map (as redundancy defines it) has rho = 0 with every map, itself included; every other map has
// rho = 1 with itself exactly. constant_images[f] (may be null) += number of images whose map f is constant.
// NaN or infinity in a map makes its row and column NaN.
//
// arithmetic = fp32: products and sums in fp32. tensor_core: standardised maps (unit variance) are rounded to
// fp16, multiplied on tensor cores and summed in fp32; the error of a correlation is then about 3e-4 /
// sqrt(positions), far below what 16-bit maps carry themselves. Only the upper triangle is computed. Both
// repeat bit for bit.
#pragma once

#include <cstdint>

#include "secateur/kernels/channel_moments.h"
#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

enum class CorrelationKind : std::uint8_t { signed_value, absolute, squared };
enum class CorrelationArithmetic : std::uint8_t { fp32, tensor_core };

// Bytes of scratch, aligned to 32 bytes; 0 where the shape is not valid.
[[nodiscard]] std::int64_t pairwise_correlation_workspace(const MapShape& shape);

[[nodiscard]] Status pairwise_correlation(float* matrix, double* constant_images, const void* maps,
                                          const MapShape& shape, CorrelationKind kind,
                                          CorrelationArithmetic arithmetic, void* workspace,
                                          std::int64_t workspace_bytes, StreamHandle stream);

// sums[f] += sum over k != f of matrix[f, k], in fp64: what redundancy gives, from the matrix.
[[nodiscard]] Status correlation_row_sums(double* sums, const float* matrix, std::int64_t channels,
                                          StreamHandle stream);

}  // namespace secateur::kernels
