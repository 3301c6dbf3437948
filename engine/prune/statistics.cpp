#include "secateur/prune/statistics.h"

#include <algorithm>

#include "secateur/core/error.h"

namespace secateur {
namespace {

std::vector<double> picked(const std::vector<double>& values, const std::vector<std::int64_t>& members) {
  std::vector<double> result;
  if (values.empty()) return result;
  result.reserve(members.size());
  for (const std::int64_t member : members) result.push_back(values[static_cast<std::size_t>(member)]);
  return result;
}

std::vector<double> picked_rows(const std::vector<double>& values, std::int64_t length,
                                const std::vector<std::int64_t>& rows) {
  std::vector<double> result;
  if (values.empty()) return result;
  for (const std::int64_t row : rows) {
    const auto first = values.begin() + row * length;
    result.insert(result.end(), first, first + length);
  }
  return result;
}

std::vector<double> picked_pairs(const std::vector<double>& values, std::int64_t width,
                                 const std::vector<std::int64_t>& members) {
  std::vector<double> result;
  if (values.empty()) return result;
  for (const std::int64_t a : members) {
    for (const std::int64_t b : members) result.push_back(values[static_cast<std::size_t>(a * width + b)]);
  }
  return result;
}

}  // namespace

SpaceStatistics restricted(const SpaceStatistics& all, const std::vector<std::int64_t>& members) {
  SpaceStatistics part = all;
  part.pairwise = picked_pairs(all.pairwise, all.width, members);
  part.width = static_cast<std::int64_t>(members.size());
  for (FilterStatistics& producer : part.producers) {
    producer.l1 = picked(producer.l1, members);
    producer.l2 = picked(producer.l2, members);
    producer.weights = picked_rows(producer.weights, producer.weights_per_filter, members);
    producer.gradients = picked_rows(producer.gradients, producer.weights_per_filter, members);
    producer.squared_gradients =
        picked_rows(producer.squared_gradients, producer.weights_per_filter, members);
    for (std::vector<double>& norms : producer.l1_history) norms = picked(norms, members);
  }
  for (std::vector<double>& scales : part.norm_scales) scales = picked(scales, members);
  for (CoupledStatistics& coupled : part.coupled) coupled.squares = picked(coupled.squares, members);
  part.constant_images = picked(all.constant_images, members);
  part.taylor = picked(all.taylor, members);
  part.zero_fraction = picked(all.zero_fraction, members);
  part.mean_activation = picked(all.mean_activation, members);
  part.map_rank = picked(all.map_rank, members);
  part.map_entropy = picked(all.map_entropy, members);
  part.redundancy.clear();
  if (all.redundancy.empty()) return part;
  require(static_cast<std::int64_t>(all.pairwise.size()) == all.width * all.width,
          "the redundancy among the remaining channels of '{}' needs the correlation of every pair",
          all.name);
  for (const std::int64_t a : members) {
    double sum = 0;
    for (const std::int64_t b : members) {
      if (a != b) sum += all.pairwise[static_cast<std::size_t>(a * all.width + b)];
    }
    part.redundancy.push_back(members.size() > 1 ? sum / static_cast<double>(members.size() - 1) : 0.0);
  }
  return part;
}

std::vector<double> min_max_normalized(const std::vector<double>& values) {
  std::vector<double> result(values.size(), 0.0);
  if (values.empty()) return result;
  const auto [low, high] = std::ranges::minmax(values);
  if (!(high > low)) return result;
  for (std::size_t i = 0; i < values.size(); ++i) result[i] = (values[i] - low) / (high - low);
  return result;
}

}  // namespace secateur
