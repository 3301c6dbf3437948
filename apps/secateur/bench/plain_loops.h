// The kernels as anyone would write them first: plain loops in one thread, in the order of the formula. They
// are what the compiler makes of the definition, the lowest bar to measure against.
#pragma once

#include <cstdint>

namespace secateur::bench::plain {

// norms[k] = sum |w| of filter k.
void filter_norm(double* norms, const float* filters, std::int64_t num_filters, std::int64_t filter_size);

// sums[f] += sum over images and k != f of rho(f, k), every pair of channels by itself, or of |rho| where
// `absolute`.
void correlation_sums(double* sums, const float* maps, std::int64_t images, std::int64_t positions,
                      std::int64_t channels, bool absolute);

// y = max(0, batch norm of x by its own statistics), scale and shift given.
void batch_norm_relu(float* y, const float* x, const float* scale, const float* shift, std::int64_t rows,
                     std::int64_t channels);

void add(float* out, const float* a, const float* b, std::int64_t count);

void sgd_momentum(float* weights, const float* gradients, float* momentum, std::int64_t count, float rate,
                  float keep, float decay);

// Sum over images of -log softmax at the label.
[[nodiscard]] double cross_entropy(const float* logits, const std::int32_t* labels, std::int64_t samples,
                                   std::int64_t classes, float* gradient);

[[nodiscard]] bool all_finite(const float* values, std::int64_t count);

// Square windows, NHWC.
void max_pool(float* y, const float* x, std::int64_t images, std::int64_t side, std::int64_t channels,
              std::int64_t kernel, std::int64_t stride, std::int64_t padding);

// out[r, m, j] = in[rows[r], m, columns[j]].
void gather(float* out, const float* in, const std::int64_t* rows, std::int64_t num_rows, std::int64_t middle,
            std::int64_t in_columns, const std::int64_t* columns, std::int64_t num_columns);

// Mean, centred squares, smallest and largest of each image and channel, one map after the other.
void channel_moments(float* mean, float* squares, float* smallest, float* largest, const float* maps,
                     std::int64_t images, std::int64_t positions, std::int64_t channels);

// One image: out(h, w) = (padded(dy + h, dx + (flipped ? side - 1 - w : w)) / 255 - mean) *
// inverse_deviation, three channels, square.
void augment(float* out, const std::uint8_t* image, std::int64_t side, std::int64_t padding, std::int64_t dy,
             std::int64_t dx, bool flipped, float mean, float inverse_deviation);

}  // namespace secateur::bench::plain
