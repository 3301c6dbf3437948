// Eqs. 3-10 of the paper to the letter, in float64: maps are flattened, min-max scaled, correlated pair by
// pair with the sample correlation, averaged over images and over the other filters. A constant map
// correlates with nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace secateur::kernels::test {

enum class Reduction { signed_value, absolute, squared };

class PaperFormula {
 public:
  // maps [images, positions, channels].
  PaperFormula(const std::vector<double>& maps, std::int64_t images, std::int64_t positions,
               std::int64_t channels, Reduction reduction = Reduction::signed_value)
      : channels_(channels),
        matrix_(static_cast<std::size_t>(channels * channels)),
        constant_(static_cast<std::size_t>(channels)) {
    for (std::int64_t n = 0; n < images; ++n) {
      std::vector<std::vector<double>> scaled;
      for (std::int64_t c = 0; c < channels; ++c) {
        std::vector<double> map;
        for (std::int64_t t = 0; t < positions; ++t) {
          map.push_back(maps[static_cast<std::size_t>((n * positions + t) * channels + c)]);
        }
        scaled.push_back(min_max(map));
        if (scaled.back().empty()) constant_[static_cast<std::size_t>(c)] += 1;
      }
      for (std::int64_t f = 0; f < channels; ++f) {
        for (std::int64_t k = 0; k < channels; ++k) {
          const double rho =
              pearson(scaled[static_cast<std::size_t>(f)], scaled[static_cast<std::size_t>(k)]);
          matrix_[static_cast<std::size_t>(f * channels + k)] += reduction == Reduction::signed_value ? rho
                                                                 : reduction == Reduction::absolute
                                                                     ? std::abs(rho)
                                                                     : rho * rho;
        }
      }
    }
  }

  // Sums over images, [channels, channels].
  [[nodiscard]] const std::vector<double>& matrix() const { return matrix_; }
  [[nodiscard]] const std::vector<double>& constant_images() const { return constant_; }
  // Sums over images and over the other channels.
  [[nodiscard]] std::vector<double> sums() const {
    std::vector<double> sums(static_cast<std::size_t>(channels_));
    for (std::int64_t f = 0; f < channels_; ++f) {
      for (std::int64_t k = 0; k < channels_; ++k) {
        if (k != f) sums[static_cast<std::size_t>(f)] += matrix_[static_cast<std::size_t>(f * channels_ + k)];
      }
    }
    return sums;
  }

 private:
  // Eqs. 5-8; empty where the map is constant.
  static std::vector<double> min_max(std::vector<double> map) {
    const auto [low, high] = std::minmax_element(map.begin(), map.end());
    const double smallest = *low;
    const double range = *high - *low;
    if (range == 0) return {};
    for (double& value : map) value = (value - smallest) / range;
    return map;
  }

  // The sample correlation that Eq. 9 means.
  static double pearson(const std::vector<double>& a, const std::vector<double>& b) {
    if (a.empty() || b.empty()) return 0;
    double mean_a = 0;
    double mean_b = 0;
    for (std::size_t t = 0; t < a.size(); ++t) {
      mean_a += a[t] / static_cast<double>(a.size());
      mean_b += b[t] / static_cast<double>(a.size());
    }
    double covariance = 0;
    double variance_a = 0;
    double variance_b = 0;
    for (std::size_t t = 0; t < a.size(); ++t) {
      covariance += (a[t] - mean_a) * (b[t] - mean_b);
      variance_a += (a[t] - mean_a) * (a[t] - mean_a);
      variance_b += (b[t] - mean_b) * (b[t] - mean_b);
    }
    return covariance / std::sqrt(variance_a * variance_b);
  }

  std::int64_t channels_;
  std::vector<double> matrix_;
  std::vector<double> constant_;
};

}  // namespace secateur::kernels::test
