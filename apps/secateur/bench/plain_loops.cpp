#include "secateur/bench/plain_loops.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace secateur::bench::plain {

void filter_norm(double* norms, const float* filters, std::int64_t num_filters, std::int64_t filter_size) {
  for (std::int64_t k = 0; k < num_filters; ++k) {
    double sum = 0;
    for (std::int64_t i = 0; i < filter_size; ++i) sum += std::abs(filters[k * filter_size + i]);
    norms[k] = sum;
  }
}

void correlation_sums(double* sums, const float* maps, std::int64_t images, std::int64_t positions,
                      std::int64_t channels, bool absolute) {
  std::vector<float> z(static_cast<std::size_t>(positions * channels));  // [channels, positions]
  for (std::int64_t n = 0; n < images; ++n) {
    const float* image = maps + n * positions * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      float* row = z.data() + c * positions;
      double mean = 0;
      for (std::int64_t t = 0; t < positions; ++t) mean += image[t * channels + c];
      mean /= static_cast<double>(positions);
      double squares = 0;
      for (std::int64_t t = 0; t < positions; ++t) {
        row[t] = static_cast<float>(image[t * channels + c] - mean);
        squares += static_cast<double>(row[t]) * row[t];
      }
      const float scale = squares > 0 ? static_cast<float>(1 / std::sqrt(squares)) : 0.0F;
      for (std::int64_t t = 0; t < positions; ++t) row[t] *= scale;
    }
    for (std::int64_t f = 0; f < channels; ++f) {
      for (std::int64_t k = f + 1; k < channels; ++k) {
        double rho = 0;
        for (std::int64_t t = 0; t < positions; ++t) {
          rho += static_cast<double>(z[static_cast<std::size_t>(f * positions + t)]) *
                 z[static_cast<std::size_t>(k * positions + t)];
        }
        if (absolute) rho = std::abs(rho);
        sums[f] += rho;
        sums[k] += rho;
      }
    }
  }
}

void batch_norm_relu(float* y, const float* x, const float* scale, const float* shift, std::int64_t rows,
                     std::int64_t channels) {
  const auto size = static_cast<std::size_t>(channels);
  std::vector<double> mean(size);
  std::vector<double> squares(size);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < channels; ++c) mean[static_cast<std::size_t>(c)] += x[r * channels + c];
  }
  for (double& value : mean) value /= static_cast<double>(rows);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const double deviation = x[r * channels + c] - mean[static_cast<std::size_t>(c)];
      squares[static_cast<std::size_t>(c)] += deviation * deviation;
    }
  }
  std::vector<float> factor(size);
  std::vector<float> offset(size);
  for (std::size_t c = 0; c < size; ++c) {
    factor[c] = static_cast<float>(scale[c] / std::sqrt(squares[c] / static_cast<double>(rows) + 1e-5));
    offset[c] = shift[c] - static_cast<float>(mean[c]) * factor[c];
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float value =
          x[r * channels + c] * factor[static_cast<std::size_t>(c)] + offset[static_cast<std::size_t>(c)];
      y[r * channels + c] = std::max(value, 0.0F);
    }
  }
}

void add(float* out, const float* a, const float* b, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = a[i] + b[i];
}

void sgd_momentum(float* weights, const float* gradients, float* momentum, std::int64_t count, float rate,
                  float keep, float decay) {
  for (std::int64_t i = 0; i < count; ++i) {
    momentum[i] = keep * momentum[i] + gradients[i] + decay * weights[i];
    weights[i] -= rate * momentum[i];
  }
}

double cross_entropy(const float* logits, const std::int32_t* labels, std::int64_t samples,
                     std::int64_t classes, float* gradient) {
  double loss = 0;
  for (std::int64_t n = 0; n < samples; ++n) {
    const float* z = logits + n * classes;
    float* dz = gradient + n * classes;
    float largest = -std::numeric_limits<float>::infinity();
    for (std::int64_t k = 0; k < classes; ++k) largest = std::max(largest, z[k]);
    double sum = 0;
    for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(z[k] - largest);
    for (std::int64_t k = 0; k < classes; ++k) {
      dz[k] = static_cast<float>((std::exp(z[k] - largest) / sum - (k == labels[n] ? 1 : 0)) /
                                 static_cast<double>(samples));
    }
    loss += std::log(sum) + largest - z[labels[n]];
  }
  return loss;
}

bool all_finite(const float* values, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) return false;
  }
  return true;
}

void max_pool(float* y, const float* x, std::int64_t images, std::int64_t side, std::int64_t channels,
              std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
  const std::int64_t out_side = (side + 2 * padding - kernel) / stride + 1;
  for (std::int64_t n = 0; n < images; ++n) {
    for (std::int64_t h = 0; h < out_side; ++h) {
      for (std::int64_t w = 0; w < out_side; ++w) {
        float* out = y + ((n * out_side + h) * out_side + w) * channels;
        std::fill_n(out, channels, -std::numeric_limits<float>::infinity());
        for (std::int64_t i = 0; i < kernel; ++i) {
          for (std::int64_t j = 0; j < kernel; ++j) {
            const std::int64_t row = h * stride - padding + i;
            const std::int64_t column = w * stride - padding + j;
            if (row < 0 || row >= side || column < 0 || column >= side) continue;
            const float* in = x + ((n * side + row) * side + column) * channels;
            for (std::int64_t c = 0; c < channels; ++c) out[c] = std::max(out[c], in[c]);
          }
        }
      }
    }
  }
}

void gather(float* out, const float* in, const std::int64_t* rows, std::int64_t num_rows, std::int64_t middle,
            std::int64_t in_columns, const std::int64_t* columns, std::int64_t num_columns) {
  for (std::int64_t r = 0; r < num_rows; ++r) {
    for (std::int64_t m = 0; m < middle; ++m) {
      for (std::int64_t j = 0; j < num_columns; ++j) {
        out[(r * middle + m) * num_columns + j] = in[(rows[r] * middle + m) * in_columns + columns[j]];
      }
    }
  }
}

void channel_moments(float* mean, float* squares, float* smallest, float* largest, const float* maps,
                     std::int64_t images, std::int64_t positions, std::int64_t channels) {
  for (std::int64_t n = 0; n < images; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float* map = maps + n * positions * channels + c;
      double sum = 0;
      float low = map[0];
      float high = map[0];
      for (std::int64_t t = 0; t < positions; ++t) {
        const float value = map[t * channels];
        sum += value;
        low = std::min(low, value);
        high = std::max(high, value);
      }
      const double average = sum / static_cast<double>(positions);
      double centred = 0;
      for (std::int64_t t = 0; t < positions; ++t) {
        const double d = map[t * channels] - average;
        centred += d * d;
      }
      const std::int64_t i = n * channels + c;
      mean[i] = static_cast<float>(average);
      squares[i] = static_cast<float>(centred);
      smallest[i] = low;
      largest[i] = high;
    }
  }
}

void augment(float* out, const std::uint8_t* image, std::int64_t side, std::int64_t padding, std::int64_t dy,
             std::int64_t dx, bool flipped, float mean, float inverse_deviation) {
  for (std::int64_t h = 0; h < side; ++h) {
    for (std::int64_t w = 0; w < side; ++w) {
      const std::int64_t y = h + dy - padding;
      const std::int64_t x = (flipped ? side - 1 - w : w) + dx - padding;
      const bool inside = y >= 0 && y < side && x >= 0 && x < side;
      for (std::int64_t c = 0; c < 3; ++c) {
        const float pixel = inside ? static_cast<float>(image[(y * side + x) * 3 + c]) : 0.0F;
        out[(h * side + w) * 3 + c] = (pixel / 255 - mean) * inverse_deviation;
      }
    }
  }
}

}  // namespace secateur::bench::plain
