// What each kernel must move and compute at least, counted from its shapes; with a machine's ceilings this
// gives the floor of its time. An operation is an addition, a multiplication, a comparison or a function; a
// fused multiply-add is two. Index tables, labels and other inputs of a negligible size are left out.
#pragma once

#include <cstdint>

namespace secateur::bench {

struct Work {
  double bytes = 0;
  double operations = 0;
};

// Feature maps of N images.
struct MapWork {
  std::int64_t images = 0;
  std::int64_t positions = 0;
  std::int64_t channels = 0;
  std::int64_t element_bytes = 4;

  [[nodiscard]] double elements() const {
    return static_cast<double>(images) * static_cast<double>(positions) * static_cast<double>(channels);
  }
  [[nodiscard]] double bytes() const { return elements() * static_cast<double>(element_bytes); }
};

// One read; absolute value and addition a weight; a double a filter.
[[nodiscard]] Work filter_norm_work(std::int64_t filters, std::int64_t weights, std::int64_t element_bytes);
// One read. Mean 1, centred squares 3, smallest and largest 2; four floats a map.
[[nodiscard]] Work channel_moments_work(const MapWork& maps);
// One read. Mean 1, centred squares 3, z 2, its sum over channels 1, dot product with that sum 2.
[[nodiscard]] Work redundancy_work(const MapWork& maps);
// One read, the matrix read and written. Standardisation 6, and a multiply-add a position and pair of
// channels (the matrix is symmetric: half of it).
[[nodiscard]] Work pairwise_correlation_work(const MapWork& maps);
// Two reads of the map, one write. Statistics 4, normalisation 2, ReLU 1.
[[nodiscard]] Work batch_norm_act_work(const MapWork& maps);
// Two reads of x and of dy, one write. Sums 8 (with x standardised and the ReLU's sign found again), dx 4.
[[nodiscard]] Work batch_norm_act_backward_work(const MapWork& maps);
// Two reads, one write.
[[nodiscard]] Work add_work(const MapWork& maps);
// One read.
[[nodiscard]] Work find_nonfinite_work(const MapWork& maps);
// Weights and momentum read and written, gradients read, a copy of 16 bits written where there is one.
[[nodiscard]] Work sgd_momentum_work(std::int64_t parameters, std::int64_t gradient_bytes,
                                     std::int64_t copy_bytes);
// What is kept is read and written.
[[nodiscard]] Work channel_gather_work(std::int64_t kept_elements, std::int64_t element_bytes);
// One read, one write. Maximum 1, exponential 1, sum 1, gradient 2.
[[nodiscard]] Work softmax_cross_entropy_work(std::int64_t samples, std::int64_t classes,
                                              std::int64_t element_bytes);
// Input read, output written, with a byte of choice an output where it is kept; a comparison a window's
// element.
[[nodiscard]] Work max_pool_work(const MapWork& input, std::int64_t out_positions, std::int64_t window,
                                 bool keeps_choice);
// uint8 read, elements written with their padding; subtract and multiply.
[[nodiscard]] Work augment_work(std::int64_t images, std::int64_t positions, std::int64_t channels,
                                std::int64_t leading, std::int64_t element_bytes);

}  // namespace secateur::bench
