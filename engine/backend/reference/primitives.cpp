// The primitives in float64, and redundancy pair by pair as Eqs. 5-10 of the paper say: each map is scaled to
// [0, 1] by its least and largest value, then every pair's sample correlation is taken. (Eq. 9 is printed
// with its brackets misplaced; the usual correlation is what its text describes.) A constant map correlates
// with nothing: rho = 0.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "backend/host_images.h"
#include "backend/reference/maps.h"
#include "backend/reference/reference_kernels.h"
#include "secateur/backend/primitives.h"

namespace secateur::reference {
namespace {

// Eqs. 5-8: p_l = (u_l - min u) / (max u - min u) over the positions l of one channel of one image; empty
// where the map is constant.
std::vector<double> scaled_map(const Tensor& maps, std::int64_t image, std::int64_t channel) {
  const std::int64_t positions = maps.shape[1] * maps.shape[2];
  std::vector<double> map(static_cast<std::size_t>(positions));
  for (std::int64_t l = 0; l < positions; ++l) {
    map[static_cast<std::size_t>(l)] = row_of(maps, image * positions + l)[channel];
  }
  const auto [low, high] = std::minmax_element(map.begin(), map.end());
  const double least = *low;
  const double range = *high - least;
  // A NaN compares false with everything, so it must be looked for.
  const bool has_nan = std::any_of(map.begin(), map.end(), [](double value) { return std::isnan(value); });
  if (range == 0 && !has_nan) return {};
  for (double& value : map) value = (value - least) / range;
  return map;
}

double mean_of(const std::vector<double>& map) {
  double sum = 0;
  for (const double value : map) sum += value;
  return sum / static_cast<double>(map.size());
}

// Eq. 9.
double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.empty() || b.empty()) return 0;
  const double mean_a = mean_of(a);
  const double mean_b = mean_of(b);
  double product = 0;
  double square_a = 0;
  double square_b = 0;
  for (std::size_t l = 0; l < a.size(); ++l) {
    product += (a[l] - mean_a) * (b[l] - mean_b);
    square_a += (a[l] - mean_a) * (a[l] - mean_a);
    square_b += (b[l] - mean_b) * (b[l] - mean_b);
  }
  return product / std::sqrt(square_a * square_b);
}

double reduced(CorrelationKind kind, double rho) {
  switch (kind) {
    case CorrelationKind::absolute_mean:
      return std::abs(rho);
    case CorrelationKind::squared_mean:
      return rho * rho;
    case CorrelationKind::signed_mean:
      break;
  }
  return rho;
}

double norm_of(FilterNorm norm, const double* row, std::int64_t length) {
  double result = 0;
  for (std::int64_t i = 0; i < length; ++i) {
    const double size = std::abs(row[i]);
    if (norm == FilterNorm::l1) result += size;
    if (norm == FilterNorm::l2) result += size * size;
    if (norm == FilterNorm::max) result = std::isnan(size) || size > result ? size : result;
  }
  return norm == FilterNorm::l2 ? std::sqrt(result) : result;
}

class ReferencePrimitives final : public Primitives {
 public:
  void sgd_update(Stream& /*stream*/, DType type, void* weights, const void* gradients, void* momentum,
                  std::span<const UpdateSegment> segments, const SgdSettings& settings) override {
    require_float64(type, "the weight update");
    auto* w = static_cast<double*>(weights);
    const auto* g = static_cast<const double*>(gradients);
    auto* v = static_cast<double*>(momentum);
    const auto* d = static_cast<const double*>(settings.decay);
    for (const UpdateSegment& segment : segments) {
      for (std::int64_t i = segment.offset; i < segment.offset + segment.count; ++i) {
        const double decay = segment.weight_decay + (d != nullptr ? d[i] : 0.0);
        const double sign = w[i] > 0 ? 1.0 : (w[i] < 0 ? -1.0 : 0.0);
        const double decayed = settings.gradient_scale * g[i] + decay * w[i] + segment.l1 * sign;
        v[i] = settings.momentum * v[i] + decayed;
        w[i] -= settings.learning_rate * (settings.nesterov ? decayed + settings.momentum * v[i] : v[i]);
      }
    }
  }

  void average_update(Stream& /*stream*/, DType type, void* averages, const void* values, std::int64_t count,
                      double keep) override {
    require_float64(type, "the average of weights");
    auto* a = static_cast<double*>(averages);
    const auto* v = static_cast<const double*>(values);
    for (std::int64_t i = 0; i < count; ++i) a[i] = keep * a[i] + (1 - keep) * v[i];
  }

  void filter_norms(Stream& /*stream*/, FilterNorm norm, std::span<const NormRequest> requests) override {
    for (const NormRequest& request : requests) {
      const Tensor& filters = request.filters;
      require(filters.dense() && filters.shape.rank() >= 1,
              "filters are dense, got {} with leading dimension {}", filters.shape.to_string(),
              filters.leading);
      const std::int64_t rows = filters.shape[0];
      if (rows == 0) continue;
      const std::int64_t length = filters.count() / rows;
      for (std::int64_t k = 0; k < rows; ++k) {
        request.norms[k] = norm_of(norm, filters.as<double>() + k * length, length);
      }
    }
  }

  void accumulate_redundancy(Stream& /*stream*/, CorrelationKind kind, const Tensor& maps,
                             std::int64_t images, const RedundancySums& sums) override {
    require(maps.shape.rank() == 4, "feature maps are [N, H, W, C], got {}", maps.shape.to_string());
    require_float64(maps.dtype, "the redundancy of maps");
    require(images >= 0 && images <= maps.shape[0], "{} images were asked for, the maps hold {}", images,
            maps.shape[0]);
    const auto channels = static_cast<std::size_t>(maps.channels());
    for (std::int64_t n = 0; n < images; ++n) {
      std::vector<std::vector<double>> scaled;
      for (std::size_t c = 0; c < channels; ++c)
        scaled.push_back(scaled_map(maps, n, static_cast<std::int64_t>(c)));
#pragma omp parallel for schedule(static)
      for (std::size_t f = 0; f < channels; ++f) {
        for (std::size_t k = 0; k < channels; ++k) {
          if (k != f) sums.redundancy_sum[f] += reduced(kind, correlation(scaled[f], scaled[k]));
        }
        if (scaled[f].empty()) sums.constant_images[f] += 1;
      }
    }
  }

  void gather(Stream& /*stream*/, DType type, std::span<const GatherSegment> segments) override {
    const std::int64_t bytes = size_of(type);
    for (const GatherSegment& segment : segments) {
      const auto* in = static_cast<const std::byte*>(segment.source);
      auto* out = static_cast<std::byte*>(segment.destination);
      for (std::size_t r = 0; r < segment.rows.size(); ++r) {
        const std::int64_t group = segment.row_group.empty() ? 0 : segment.row_group[r];
        for (std::int64_t m = 0; m < segment.middle; ++m) {
          for (std::int64_t j = 0; j < segment.out_columns; ++j) {
            const std::int64_t column =
                segment.columns[static_cast<std::size_t>(group * segment.out_columns + j)];
            const std::int64_t from = (segment.rows[r] * segment.middle + m) * segment.in_columns + column;
            const std::int64_t to =
                (static_cast<std::int64_t>(r) * segment.middle + m) * segment.out_columns + j;
            std::memcpy(out + to * bytes, in + from * bytes, static_cast<std::size_t>(bytes));
          }
        }
      }
    }
  }

  void add(Stream& /*stream*/, const Tensor& a, const Tensor& b, const Tensor& out) override {
    require(a.shape == out.shape && b.shape == out.shape,
            "tensors that are added have one shape, got {} + {} -> {}", a.shape.to_string(),
            b.shape.to_string(), out.shape.to_string());
    require_float64(out.dtype, "add");
    fill_rows(out, [&](std::int64_t r, std::int64_t c) { return row_of(a, r)[c] + row_of(b, r)[c]; });
  }

  void fill(Stream& /*stream*/, const Tensor& out, double value) override {
    require_float64(out.dtype, "fill");
    std::fill_n(out.as<double>(), out.rows() * out.leading, value);
  }

  void load_images(Stream& /*stream*/, const std::uint8_t* pixels, std::int64_t count,
                   std::span<const double> mean, std::span<const double> deviation,
                   const ImageAugmentation& augmentation, const Tensor& images) override {
    load_images_on_host({pixels, images.shape[1], images.shape[2]}, count, mean, deviation, augmentation,
                        images);
  }

  bool all_finite(Stream& /*stream*/, DType type, const void* values, std::int64_t count) override {
    require_float64(type, "all_finite");
    const auto* first = static_cast<const double*>(values);
    return std::all_of(first, first + count, [](double value) { return std::isfinite(value); });
  }

 private:
  static void require_float64(DType type, std::string_view what) {
    require(type == DType::f64, "{} takes f64 on the reference device, got {}", what, name_of(type));
  }
};

}  // namespace

void register_reference_primitives() {
  static ReferencePrimitives primitives;  // stateless
  register_primitives(DeviceKind::reference, primitives);
}

}  // namespace secateur::reference
