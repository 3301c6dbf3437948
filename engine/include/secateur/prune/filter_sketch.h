// FilterSketch (Lin et al., TNNLS 2021): no filter is selected; those that stay are replaced by a sketch of
// all filters of the layer, by Frequent Directions (Liberty 2013), which keeps the second moments of the
// filters: B^T B is near A^T A.
#pragma once

#include <cstdint>
#include <vector>

#include "secateur/prune/pruning_plan.h"
#include "secateur/runtime/model.h"

namespace secateur {

// The sketch [rows_kept, columns] of a matrix [rows, columns], row-major. Rows are inserted one by one; when
// the sketch is full, it is turned to orthogonal rows sigma_i v_i^T, of sizes s descending, and each shrunk
// to sqrt(max(s^2 - delta, 0)) with delta the s^2 of the row at rows_kept / 2. rows_kept is 2 at least.
[[nodiscard]] std::vector<double> frequent_directions(const std::vector<double>& matrix, std::int64_t rows,
                                                      std::int64_t columns, std::int64_t rows_kept);

// Rewrites what the plan keeps, before it is applied. For every edited space with one producer, no groups,
// and at least two channels that stay: the producer's filters, as rows, and the columns of whatever reads the
// channels, as rows too, each become their sketch, divided by its Frobenius norm (left alone where the sketch
// would not have fewer rows than the matrix has columns); the producer's bias and the batch norm that follows
// start anew (scale 1, shift 0, mean 0, variance 1); momentum of all these is zero. Spaces with several
// producers are left alone: there a removal is a plain one.
void sketch_weights(Model& model, const PruningPlan& plan, Stream& stream);

}  // namespace secateur
