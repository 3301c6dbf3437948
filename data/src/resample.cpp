#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "blend.h"
#include "secateur/data/transforms.h"

namespace secateur::data {
namespace {

constexpr std::int32_t kOne = 1 << kBlendWeightBits;

// For each output sample of an axis: the first input sample that it reads, and the weights from there on.
struct Taps {
  std::vector<std::int64_t> first;
  std::vector<std::int16_t> weights;  // [outputs, length], zeros at the end
  std::int64_t most = 0;              // weights of an output, zeros left out
  std::int64_t length = 0;            // that, in whole kBlendTaps
};

// `origin` and `extent`: the region along this axis, in input samples; `inputs`: how many there are. A region
// may begin before them and end behind, where no output that is asked for reads so far.
Taps triangle_taps(double origin, double extent, std::int64_t inputs, std::int64_t scaled, std::int64_t begin,
                   std::int64_t count) {
  const double scale = extent / static_cast<double>(scaled);
  const double support = std::max(scale, 1.0);
  const auto low = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(origin)));
  const std::int64_t high = std::min(inputs, static_cast<std::int64_t>(std::ceil(origin + extent)));
  Taps taps;
  // At most floor(x + 2 support) - floor(x); what rounding would add to that has no weight.
  taps.most = static_cast<std::int64_t>(std::ceil(2 * support));
  taps.length = (taps.most + kBlendTaps - 1) / kBlendTaps * kBlendTaps;
  taps.first.resize(static_cast<std::size_t>(count));
  taps.weights.assign(static_cast<std::size_t>(count * taps.length), 0);
  std::vector<double> exact;
  for (std::int64_t i = 0; i < count; ++i) {
    const double center = origin + (static_cast<double>(begin + i) + 0.5) * scale;
    const std::int64_t first = std::max(low, static_cast<std::int64_t>(std::floor(center - support + 0.5)));
    const std::int64_t end =
        std::min({high, first + taps.most, static_cast<std::int64_t>(std::floor(center + support + 0.5))});
    exact.clear();
    double sum = 0;
    for (std::int64_t k = first; k < end; ++k) {
      exact.push_back(std::max(0.0, 1 - std::abs(static_cast<double>(k) + 0.5 - center) / support));
      sum += exact.back();
    }
    // The greatest weight takes what rounding left over: a constant stays the constant.
    std::int16_t* weights = taps.weights.data() + i * taps.length;
    std::int32_t total = 0;
    std::size_t greatest = 0;
    for (std::size_t k = 0; k < exact.size(); ++k) {
      weights[k] = static_cast<std::int16_t>(std::lround(exact[k] / sum * kOne));
      total += weights[k];
      if (weights[k] > weights[greatest]) greatest = k;
    }
    weights[greatest] = static_cast<std::int16_t>(weights[greatest] + kOne - total);
    taps.first[static_cast<std::size_t>(i)] = first;
  }
  return taps;
}

}  // namespace

void resample(const RgbxImage& image, const Region& region, const Output& output, std::uint8_t* rgb) {
  const Taps rows =
      triangle_taps(region.y, region.height, image.height, output.scaled_height, output.y, output.height);
  const Taps columns =
      triangle_taps(region.x, region.width, image.width, output.scaled_width, output.x, output.width);
  // Input columns that any output reads. A tap's zeros at the end may reach beyond the image: room for them.
  const std::int64_t left = columns.first.front();
  const std::int64_t read_end = columns.first.back() + columns.length;
  const std::int64_t right = std::min(read_end, image.width);
  std::vector<std::uint16_t> blended(static_cast<std::size_t>((read_end - left) * 4), 0);
  for (std::int64_t y = 0; y < output.height; ++y) {
    const std::int64_t top = rows.first[static_cast<std::size_t>(y)];
    blend_rows(
        {image.pixels.data() + (top * image.width + left) * 4, image.width * 4,
         rows.weights.data() + y * rows.length, std::min(rows.most, image.height - top), (right - left) * 4},
        blended.data());
    blend_columns({blended.data(), left, columns.first.data(), columns.weights.data(), columns.length,
                   output.width, output.mirrored},
                  rgb + y * output.width * 3);
  }
}

}  // namespace secateur::data
