// Measures of one feature map, on the host: its numerical rank and its entropy.
#pragma once

#include <cstdint>
#include <span>

namespace secateur {

// Number of singular values above `epsilon` * max(rows, columns) * the largest one (the rule of NumPy and
// PyTorch, epsilon being that of the type in which the matrix was computed). `matrix` [rows, columns] is
// overwritten. One-sided Jacobi rotations (Demmel and Veselic 1992), O(rows * columns * min(rows, columns)) a
// sweep. 0 for a matrix of zeros; NaN anywhere gives 0.
[[nodiscard]] std::int64_t matrix_rank(std::span<double> matrix, std::int64_t rows, std::int64_t columns,
                                       double epsilon);

// -sum p log2 p over a histogram of the values in `bins` equal bins from the least to the largest; 0 where
// all values are equal.
[[nodiscard]] double histogram_entropy(std::span<const double> values, std::int64_t bins);

}  // namespace secateur
