#include "prune/map_measures.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace secateur {
namespace {

double dot(const double* a, const double* b, std::int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

std::int64_t matrix_rank(std::span<double> matrix, std::int64_t rows, std::int64_t columns, double epsilon) {
  // The vectors that are rotated against each other: the rows, or the columns where these are fewer.
  std::vector<double> transposed;
  double* vectors = matrix.data();
  std::int64_t count = rows;
  std::int64_t length = columns;
  if (columns < rows) {
    transposed.resize(matrix.size());
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) {
        transposed[static_cast<std::size_t>(c * rows + r)] =
            matrix[static_cast<std::size_t>(r * columns + c)];
      }
    }
    vectors = transposed.data();
    std::swap(count, length);
  }
  constexpr int kSweeps = 30;
  constexpr double kOrthogonal = 1e-14;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    bool rotated = false;
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t j = i + 1; j < count; ++j) {
        double* a = vectors + i * length;
        double* b = vectors + j * length;
        const double aa = dot(a, a, length);
        const double bb = dot(b, b, length);
        const double ab = dot(a, b, length);
        if (!(std::abs(ab) > kOrthogonal * std::sqrt(aa * bb))) continue;
        rotated = true;
        const double zeta = (bb - aa) / (2 * ab);
        const double t = std::copysign(1.0, zeta) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const double cosine = 1 / std::sqrt(1 + t * t);
        const double sine = cosine * t;
#pragma omp simd
        for (std::int64_t k = 0; k < length; ++k) {
          const double x = a[k];
          a[k] = cosine * x - sine * b[k];
          b[k] = sine * x + cosine * b[k];
        }
      }
    }
    if (!rotated) break;
  }
  std::vector<double> singular;
  for (std::int64_t i = 0; i < count; ++i) {
    singular.push_back(std::sqrt(dot(vectors + i * length, vectors + i * length, length)));
  }
  const double largest = singular.empty() ? 0 : *std::ranges::max_element(singular);
  const double threshold = epsilon * static_cast<double>(std::max(rows, columns)) * largest;
  return std::ranges::count_if(singular, [&](double value) { return value > threshold; });
}

double histogram_entropy(std::span<const double> values, std::int64_t bins) {
  const auto [low, high] = std::ranges::minmax(values);
  if (!(high > low)) return 0;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(bins));
  for (const double value : values) {
    const auto bin = static_cast<std::int64_t>((value - low) / (high - low) * static_cast<double>(bins));
    ++counts[static_cast<std::size_t>(std::clamp<std::int64_t>(bin, 0, bins - 1))];
  }
  double entropy = 0;
  for (const std::int64_t count : counts) {
    if (count == 0) continue;
    const double p = static_cast<double>(count) / static_cast<double>(values.size());
    entropy -= p * std::log2(p);
  }
  return entropy;
}

}  // namespace secateur
