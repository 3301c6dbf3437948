#include "backend/cpu/weight_gradient.h"

#include <omp.h>

#include <algorithm>

#include "backend/cpu/vectors.h"

namespace secateur::cpu {
namespace {

constexpr int kLanes = 8;
constexpr int kMostVectors = 3;  // of taps in a tile
constexpr int kMostFilters = 4;  // 12 sums, 3 vectors of taps, 1 broadcast: the 16 registers of AVX2
constexpr std::int64_t kMostSums = 48 << 10;  // floats of a chunk: 192 KiB
constexpr std::int64_t kAllSums = 1 << 20;    // floats of all chunks
constexpr std::int64_t kMostChunks = 64;
constexpr std::int64_t kBlockFloats = 6 << 10;  // of rows that are read again for every tile: 24 KiB

using Vector = Floats<kLanes>;

// Rows of positions that one filter row r pairs: input and dy move on together.
struct Positions {
  const float* input;
  std::int64_t input_row, input_step;  // floats to the next row, to the next column
  const float* gradient;
  std::int64_t gradient_row, gradient_step;
  std::int64_t rows, columns;
};

// sums[f][0 .. vectors) += sum over positions of dy[f] * taps.
template <int filters, int vectors>
void add_tile(const Positions& p, float* sums, std::int64_t leading) {
  Vector total[filters][vectors];
  for (int f = 0; f < filters; ++f) {
    for (int v = 0; v < vectors; ++v) total[f][v] = load<kLanes>(sums + f * leading + v * kLanes);
  }
  for (std::int64_t y = 0; y < p.rows; ++y) {
    const float* x = p.input + y * p.input_row;
    const float* dy = p.gradient + y * p.gradient_row;
    for (std::int64_t column = 0; column < p.columns; ++column) {
      Vector taps[vectors];
      for (int v = 0; v < vectors; ++v) taps[v] = load<kLanes>(x + v * kLanes);
      for (int f = 0; f < filters; ++f) {
        for (int v = 0; v < vectors; ++v) total[f][v] += taps[v] * dy[f];
      }
      x += p.input_step;
      dy += p.gradient_step;
    }
  }
  for (int f = 0; f < filters; ++f) {
    for (int v = 0; v < vectors; ++v) store(sums + f * leading + v * kLanes, total[f][v]);
  }
}

using Tile = void (*)(const Positions&, float*, std::int64_t);
constexpr Tile kTiles[kMostFilters][kMostVectors] = {
    {add_tile<1, 1>, add_tile<1, 2>, add_tile<1, 3>},
    {add_tile<2, 1>, add_tile<2, 2>, add_tile<2, 3>},
    {add_tile<3, 1>, add_tile<3, 2>, add_tile<3, 3>},
    {add_tile<4, 1>, add_tile<4, 2>, add_tile<4, 3>},
};

// All tiles of one filter row over some positions.
void add_positions(Positions positions, std::int64_t filters, float* sums, std::int64_t leading) {
  const float* input = positions.input;
  const float* gradient = positions.gradient;
  for (std::int64_t f = 0; f < filters; f += kMostFilters) {
    const std::int64_t tall = std::min<std::int64_t>(kMostFilters, filters - f);
    for (std::int64_t tap = 0; tap < leading; tap += kMostVectors * kLanes) {
      const std::int64_t wide = std::min<std::int64_t>(kMostVectors, (leading - tap) / kLanes);
      positions.input = input + tap;
      positions.gradient = gradient + f;
      kTiles[tall - 1][wide - 1](positions, sums + f * leading + tap, leading);
    }
  }
}

std::int64_t whole_vectors(std::int64_t floats) { return (floats + kLanes - 1) / kLanes * kLanes; }

std::int64_t sums_of(const WeightGradientProblem& p) {
  return p.kernel[0] * p.filters * whole_vectors(p.kernel[1] * p.channels);
}

}  // namespace

bool WeightGradient::takes(const WeightGradientProblem& problem) { return sums_of(problem) <= kMostSums; }

WeightGradient::WeightGradient(const WeightGradientProblem& problem)
    : problem_(problem),
      // As far as the last window reaches, too, which may be past the padding where it is given by the
      // output.
      row_length_(std::max(problem.input[1] + 2 * problem.padding[1],
                           (problem.output[1] - 1) * problem.stride[1] + problem.kernel[1]) *
                  problem.channels),
      taps_(problem.kernel[1] * problem.channels),
      leading_(whole_vectors(taps_)),
      sums_(sums_of(problem)),
      // The last row's tiles read past its end, by less than a vector.
      image_floats_(whole_vectors(problem.input[0] * row_length_ + kLanes)),
      chunks_(std::clamp<std::int64_t>(kAllSums / std::max<std::int64_t>(sums_, 1), 1,
                                       std::min(kMostChunks, problem.images))),
      threads_(omp_get_max_threads()) {}

std::int64_t WeightGradient::workspace_bytes() const {
  return (chunks_ * sums_ + threads_ * image_floats_) * size_of(DType::f32);
}

void WeightGradient::run(const Tensor& input, const Tensor& output_gradient, const Tensor& result,
                         void* workspace) const {
  auto* sums = static_cast<float*>(workspace);
  float* images = sums + chunks_ * sums_;
#pragma omp parallel num_threads(threads_)
  {
    float* image = images + omp_get_thread_num() * image_floats_;
    std::fill_n(image, image_floats_, 0.0F);  // the padding columns stay
#pragma omp for schedule(static)
    for (std::int64_t chunk = 0; chunk < chunks_; ++chunk) {
      sum_chunk(chunk, input, output_gradient, sums + chunk * sums_, image);
    }
  }
  add_chunks(sums, result.as<float>());
}

void WeightGradient::sum_chunk(std::int64_t chunk, const Tensor& input, const Tensor& output_gradient,
                               float* sums, float* image) const {
  const WeightGradientProblem& p = problem_;
  std::fill_n(sums, sums_, 0.0F);
  Positions positions{};
  positions.input_row = p.stride[0] * row_length_;
  positions.input_step = p.stride[1] * p.channels;
  positions.gradient_step = output_gradient.leading;
  positions.gradient_row = p.output[1] * output_gradient.leading;
  positions.columns = p.output[1];
  const std::int64_t block =
      std::max<std::int64_t>(1, kBlockFloats / (positions.input_row + positions.gradient_row));
  for (std::int64_t n = first_image(chunk); n < first_image(chunk + 1); ++n) {
    const float* x = input.as<float>() + n * p.input[0] * p.input[1] * input.leading;
    const float* dy = output_gradient.as<float>() + n * p.output[0] * positions.gradient_row;
    for (std::int64_t y = 0; y < p.input[0]; ++y) {
      float* row = image + y * row_length_ + p.padding[1] * p.channels;
      const float* from = x + y * p.input[1] * input.leading;
      if (input.leading == p.channels) {
        std::copy_n(from, p.input[1] * p.channels, row);
      } else {
        for (std::int64_t column = 0; column < p.input[1]; ++column) {
          std::copy_n(from + column * input.leading, p.channels, row + column * p.channels);
        }
      }
    }
    for (std::int64_t first = 0; first < p.output[0]; first += block) {
      const std::int64_t last = std::min(first + block, p.output[0]);
      for (std::int64_t r = 0; r < p.kernel[0]; ++r) {
        // Output rows whose tap r lies inside the image.
        const std::int64_t above = p.padding[0] - r;
        const std::int64_t begin =
            std::max(first, above > 0 ? (above + p.stride[0] - 1) / p.stride[0] : std::int64_t{0});
        const std::int64_t inside = p.input[0] - 1 + above;
        const std::int64_t end = inside < 0 ? begin : std::min(last, inside / p.stride[0] + 1);
        if (end <= begin) continue;
        positions.rows = end - begin;
        positions.input = image + (begin * p.stride[0] - above) * row_length_;
        positions.gradient = dy + begin * positions.gradient_row;
        add_positions(positions, p.filters, sums + r * p.filters * leading_, leading_);
      }
    }
  }
}

void WeightGradient::add_chunks(const float* sums, float* result) const {
  const WeightGradientProblem& p = problem_;
  const std::int64_t rows = p.filters * p.kernel[0];
#pragma omp parallel for schedule(static) if (rows * taps_ > 4096)
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t filter = row / p.kernel[0];
    const std::int64_t r = row % p.kernel[0];
    const float* from = sums + (r * p.filters + filter) * leading_;
    float* to = result + row * taps_;
    std::copy_n(from, taps_, to);
    for (std::int64_t chunk = 1; chunk < chunks_; ++chunk) {
      const float* more = from + chunk * sums_;
#pragma omp simd
      for (std::int64_t t = 0; t < taps_; ++t) to[t] += more[t];
    }
  }
}

}  // namespace secateur::cpu
