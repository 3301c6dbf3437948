#include "secateur/data/synthetic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>
#include <string>
#include <utility>

#include "secateur/core/error.h"
#include "secateur/core/rng.h"
#include "shapes.h"

namespace secateur::data {
namespace {

constexpr int kSide = 32;
constexpr int kChannels = 3;
constexpr std::int64_t kPixels = kSide * kSide;
constexpr std::int64_t kClasses = 10;

// Second key of RngPurpose::synthetic. Labels of a block of ten have keys of their own.
enum class Part : std::uint32_t { train = 0, test = 1, train_labels = 2, test_labels = 3 };

using Color = std::array<float, kChannels>;

class Painter {
 public:
  explicit Painter(RandomSequence random) : random_(random) {}

  void paint(const Shape2d& shape, std::span<std::uint8_t> output);

 private:
  struct Wave {
    float x, y, phase, amplitude;
    [[nodiscard]] float at(float px, float py) const { return amplitude * std::sin(x * px + y * py + phase); }
  };

  float draw(float low, float high) { return static_cast<float>(random_.uniform(low, high)); }
  bool coin(float probability) { return draw(0, 1) < probability; }
  Color draw_color(float luminance);
  Wave draw_wave(float lowest_amplitude, float highest_amplitude);

  void paint_background(float luminance);
  void paint_bar(float half_length, float half_width, float luminance, float opacity);
  void paint_distractors();
  void paint_shape(const Shape2d& shape, float luminance);
  void add_noise(std::span<std::uint8_t> output);

  void blend(int x, int y, const Color& color, float opacity) {
    for (int c = 0; c < kChannels; ++c) {
      float& value = canvas_[static_cast<std::size_t>((y * kSide + x) * kChannels + c)];
      value += opacity * (color[static_cast<std::size_t>(c)] - value);
    }
  }

  RandomSequence random_;
  std::array<float, kPixels * kChannels> canvas_{};
};

// Share of a pixel that lies inside an outline at this distance (in pixels), the edge spread over `softness`
// pixels.
float coverage(float distance, float softness = 1.0F) {
  return std::clamp(0.5F - distance / softness, 0.0F, 1.0F);
}

// The rows or columns that a stretch from `low` to `high` touches: [first_pixel(low), last_pixel(high)).
int first_pixel(float low) { return std::max(static_cast<int>(std::floor(low)), 0); }
int last_pixel(float high) { return std::min(static_cast<int>(std::ceil(high)), kSide); }

// A colour of random hue and saturation with the given luminance (weights of ITU-R BT.601).
Color Painter::draw_color(float luminance) {
  const float hue = draw(0, 6);
  const float saturation = draw(0.25F, 0.95F);
  Color color{};
  for (std::size_t c = 0; c < color.size(); ++c) {
    const float shifted = std::fmod(hue + 2.0F * static_cast<float>(c), 6.0F);
    color[c] = 1.0F - saturation * std::clamp(2.0F - std::abs(shifted - 3.0F), 0.0F, 1.0F);
  }
  const float now = 0.299F * color[0] + 0.587F * color[1] + 0.114F * color[2];
  for (float& value : color) {
    value = now > luminance ? value * luminance / now
                            : value + (1 - value) * (luminance - now) / (1 - now + 1e-6F);
  }
  return color;
}

Painter::Wave Painter::draw_wave(float lowest_amplitude, float highest_amplitude) {
  const float angle = draw(0, std::numbers::pi_v<float>);
  const float frequency = draw(0.5F, 1.6F);  // radians a pixel: 4 to 12 pixels a period
  return {frequency * std::cos(angle), frequency * std::sin(angle), draw(0, 2 * std::numbers::pi_v<float>),
          draw(lowest_amplitude, highest_amplitude)};
}

void Painter::paint_background(float luminance) {
  const Color from = draw_color(std::clamp(luminance - 0.06F, 0.02F, 0.98F));
  const Color to = draw_color(std::clamp(luminance + 0.06F, 0.02F, 0.98F));
  const float angle = draw(0, 2 * std::numbers::pi_v<float>);
  const Wave wave = draw_wave(0, 0.07F);

  // Relief: random heights on a lattice of 5 x 5, interpolated.
  constexpr int kLattice = 5;
  std::array<float, kLattice * kLattice> heights{};
  for (float& height : heights) height = draw(-0.09F, 0.09F);
  const auto relief = [&](float x, float y) {
    const int column = std::min(static_cast<int>(x), kLattice - 2);
    const int row = std::min(static_cast<int>(y), kLattice - 2);
    const float u = x - static_cast<float>(column);
    const float v = y - static_cast<float>(row);
    const float* corner = &heights[static_cast<std::size_t>(row * kLattice + column)];
    return (1 - v) * ((1 - u) * corner[0] + u * corner[1]) +
           v * ((1 - u) * corner[kLattice] + u * corner[kLattice + 1]);
  };

  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const float px = static_cast<float>(x) - 15.5F;
      const float py = static_cast<float>(y) - 15.5F;
      const float along =
          std::clamp(0.5F + (px * std::cos(angle) + py * std::sin(angle)) / 44.0F, 0.0F, 1.0F);
      const float texture =
          wave.at(px, py) + relief(static_cast<float>(x) / 7.75F, static_cast<float>(y) / 7.75F);
      for (std::size_t c = 0; c < kChannels; ++c) {
        canvas_[static_cast<std::size_t>(y * kSide + x) * kChannels + c] =
            from[c] + along * (to[c] - from[c]) + texture;
      }
    }
  }
}

// A bar with round ends (a dot when it has no length), anywhere.
void Painter::paint_bar(float half_length, float half_width, float luminance, float opacity) {
  const Color color = draw_color(luminance);
  const float angle = draw(0, std::numbers::pi_v<float>);
  const float cosine = std::cos(angle);
  const float sine = std::sin(angle);
  const float center_x = draw(0, kSide);
  const float center_y = draw(0, kSide);
  const float reach = half_length + half_width + 1;
  for (int y = first_pixel(center_y - reach); y < last_pixel(center_y + reach); ++y) {
    for (int x = first_pixel(center_x - reach); x < last_pixel(center_x + reach); ++x) {
      const float px = static_cast<float>(x) + 0.5F - center_x;
      const float py = static_cast<float>(y) + 0.5F - center_y;
      const float along = std::max(std::abs(px * cosine + py * sine) - half_length, 0.0F);
      const float across = py * cosine - px * sine;
      const float inside = coverage(std::sqrt(along * along + across * across) - half_width);
      if (inside > 0) blend(x, y, color, opacity * inside);
    }
  }
}

void Painter::paint_distractors() {
  const int count = 2 + static_cast<int>(random_.below(4));
  for (int i = 0; i < count; ++i) {
    const bool dot = coin(0.5F);
    const float half_length = dot ? 0.0F : draw(2, 6);
    const float half_width = dot ? draw(1, 2.6F) : draw(0.5F, 1.2F);
    paint_bar(half_length, half_width, draw(0.1F, 0.9F), draw(0.5F, 1));
  }
}

void Painter::paint_shape(const Shape2d& shape, float luminance) {
  const Color color = draw_color(luminance);
  const Wave wave = draw_wave(0, 0.11F);
  const float size = draw(10, 15);
  const float angle = draw(-35, 35) * std::numbers::pi_v<float> / 180;
  const float cosine = std::cos(angle) / size;
  const float sine = std::sin(angle) / size;
  // The shape stays inside the image but for its outermost pixel or two.
  const float reach = std::max(kSide / 2.0F - shape.radius() * size, 0.0F) + 1.5F;
  const float center_x = kSide / 2.0F + draw(-reach, reach);
  const float center_y = kSide / 2.0F + draw(-reach, reach);
  const auto distance = [&](float x, float y) {
    const float px = x - center_x;
    const float py = y - center_y;
    return size * shape.distance({px * cosine + py * sine, py * cosine - px * sine});
  };

  constexpr float kShadowOffset = 1.2F;
  constexpr Color kBlack{};
  const float shadow = draw(0.1F, 0.45F);
  const float margin = shape.radius() * size + 3;
  for (int y = first_pixel(center_y - margin); y < last_pixel(center_y + margin); ++y) {
    for (int x = first_pixel(center_x - margin); x < last_pixel(center_x + margin); ++x) {
      const float px = static_cast<float>(x) + 0.5F;
      const float py = static_cast<float>(y) + 0.5F;
      blend(x, y, kBlack, shadow * coverage(distance(px - kShadowOffset, py - kShadowOffset), 3.0F));
      const float inside = coverage(distance(px, py));
      if (inside == 0) continue;
      const float texture = wave.at(px, py);
      blend(x, y, {color[0] + texture, color[1] + texture, color[2] + texture}, inside);
    }
  }
}

// Noise: the sum of four random bytes, which is nearly normal and costs one word of the generator a value.
void Painter::add_noise(std::span<std::uint8_t> output) {
  constexpr float kDeviationOfSum = 147.8F;  // sqrt(4 * (256^2 - 1) / 12)
  const float scale = draw(3, 16) / kDeviationOfSum;
  for (std::size_t i = 0; i < output.size(); ++i) {
    const std::uint32_t word = random_.next_u32();
    const std::uint32_t sum = (word & 255U) + ((word >> 8) & 255U) + ((word >> 16) & 255U) + (word >> 24);
    const float value = 255.0F * canvas_[i] + scale * (static_cast<float>(sum) - 510.0F);
    output[i] = static_cast<std::uint8_t>(std::clamp(value + 0.5F, 0.0F, 255.0F));
  }
}

void Painter::paint(const Shape2d& shape, std::span<std::uint8_t> output) {
  const float background = draw(0.15F, 0.85F);
  const float contrast = draw(0.25F, 0.5F);
  const bool darker = background + contrast > 0.95F || (background - contrast > 0.05F && coin(0.5F));
  paint_background(background);
  paint_distractors();
  paint_shape(shape, darker ? background - contrast : background + contrast);
  if (coin(0.5F)) paint_bar(draw(4, 12), draw(0.4F, 0.9F), draw(0.1F, 0.9F), draw(0.7F, 1));
  add_noise(output);
}

ImageSetContent render(std::int64_t count, std::uint64_t seed, Part images, Part labels) {
  const std::vector<Shape2d>& shapes = synthetic_shapes();
  ImageSetContent content;
  content.name = "synthetic";
  content.image_shape = {kSide, kSide, kChannels};
  for (const Shape2d& shape : shapes) content.class_names.push_back(shape.name());

  std::vector<std::int64_t> block;
  for (std::int64_t i = 0; i < count; ++i) {
    if (i % kClasses == 0) {
      block = RandomSequence(seed, RngPurpose::synthetic, static_cast<std::uint32_t>(i / kClasses),
                             static_cast<std::uint32_t>(labels))
                  .permutation(kClasses);
    }
    content.labels.push_back(static_cast<std::int32_t>(block[static_cast<std::size_t>(i % kClasses)]));
  }

  constexpr auto kImageBytes = static_cast<std::size_t>(kPixels * kChannels);
  content.pixels.resize(static_cast<std::size_t>(count) * kImageBytes);
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::size_t>(i);
    Painter painter(RandomSequence(seed, RngPurpose::synthetic, static_cast<std::uint32_t>(i),
                                   static_cast<std::uint32_t>(images)));
    painter.paint(shapes[static_cast<std::size_t>(content.labels[index])],
                  std::span(content.pixels).subspan(index * kImageBytes, kImageBytes));
  }
  return content;
}

}  // namespace

DataSets make_synthetic(const SyntheticOptions& options) {
  for (const std::int64_t size : {options.train_size, options.test_size}) {
    require(size > 0 && size <= std::numeric_limits<std::uint32_t>::max(),
            "a synthetic set of {} images: the number must be from 1 to 2^32 - 1", size);
  }
  ImageSetContent train = render(options.train_size, options.seed, Part::train, Part::train_labels);
  ImageSetContent test = render(options.test_size, options.seed, Part::test, Part::test_labels);
  train.statistics = measure_statistics(train.pixels, kChannels);
  test.statistics = train.statistics;
  return {.train = ImageSet(std::move(train)), .test = ImageSet(std::move(test))};
}

}  // namespace secateur::data
