#include "secateur/bench/work.h"

namespace secateur::bench {
namespace {

double real(std::int64_t value) { return static_cast<double>(value); }

}  // namespace

Work filter_norm_work(std::int64_t filters, std::int64_t weights, std::int64_t element_bytes) {
  return {real(weights) * real(element_bytes) + 8 * real(filters), 2 * real(weights)};
}

Work channel_moments_work(const MapWork& maps) {
  return {maps.bytes() + 16 * real(maps.images) * real(maps.channels), 6 * maps.elements()};
}

Work redundancy_work(const MapWork& maps) {
  // Two sums of doubles a channel, read and written.
  return {maps.bytes() + 32 * real(maps.channels), 9 * maps.elements()};
}

Work pairwise_correlation_work(const MapWork& maps) {
  const double matrix = real(maps.channels) * real(maps.channels);
  return {maps.bytes() + 8 * matrix, maps.elements() * (6 + real(maps.channels))};
}

Work batch_norm_act_work(const MapWork& maps) { return {3 * maps.bytes(), 7 * maps.elements()}; }

Work batch_norm_act_backward_work(const MapWork& maps) { return {5 * maps.bytes(), 12 * maps.elements()}; }

Work add_work(const MapWork& maps) { return {3 * maps.bytes(), maps.elements()}; }

Work find_nonfinite_work(const MapWork& maps) { return {maps.bytes(), maps.elements()}; }

Work sgd_momentum_work(std::int64_t parameters, std::int64_t gradient_bytes, std::int64_t copy_bytes) {
  return {real(parameters) * real(16 + gradient_bytes + copy_bytes), 6 * real(parameters)};
}

Work channel_gather_work(std::int64_t kept_elements, std::int64_t element_bytes) {
  return {2 * real(kept_elements) * real(element_bytes), 0};
}

Work softmax_cross_entropy_work(std::int64_t samples, std::int64_t classes, std::int64_t element_bytes) {
  const double logits = real(samples) * real(classes);
  return {2 * logits * real(element_bytes), 5 * logits};
}

Work max_pool_work(const MapWork& input, std::int64_t out_positions, std::int64_t window, bool keeps_choice) {
  const double outputs = real(input.images) * real(out_positions) * real(input.channels);
  return {input.bytes() + outputs * real(input.element_bytes + (keeps_choice ? 1 : 0)),
          outputs * real(window)};
}

Work augment_work(std::int64_t images, std::int64_t positions, std::int64_t channels, std::int64_t leading,
                  std::int64_t element_bytes) {
  const double pixels = real(images) * real(positions);
  return {pixels * real(channels + leading * element_bytes), 2 * pixels * real(channels)};
}

}  // namespace secateur::bench
