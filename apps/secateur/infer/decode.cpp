#include "secateur/infer/decode.h"

#include <algorithm>
#include <cmath>

#include "secateur/core/error.h"

namespace secateur::app {
namespace {

constexpr std::int64_t kMaxSide = 1 << 16;
constexpr std::int64_t kMaxPixels = 1 << 28;

// P6: "P6", width, height, 255, each after white space or comments; one white space; pixels.
class PpmHeader {
 public:
  PpmHeader(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {
    width_ = number("width");
    height_ = number("height");
    const std::int64_t full_scale = number("full scale");
    require(width_ >= 1 && height_ >= 1 && width_ <= kMaxSide && height_ <= kMaxSide &&
                width_ * height_ <= kMaxPixels,
            "'{}': a PPM of {} x {} pixels is not read", name_, width_, height_);
    require(full_scale == 255, "'{}': a PPM with full scale {} is not read, only 255", name_, full_scale);
    require(at_ < bytes_.size(), "'{}': the PPM ends in its header", name_);
    ++at_;
  }

  DecodedImage image() const {
    const auto count = static_cast<std::size_t>(width_ * height_ * 3);
    require(bytes_.size() - at_ >= count, "'{}': the PPM should have {} bytes of pixels, has {}", name_,
            count, bytes_.size() - at_);
    const auto* first = reinterpret_cast<const std::uint8_t*>(bytes_.data() + at_);
    return {name_, {height_, width_, 3}, {first, first + count}};
  }

 private:
  char byte() const { return static_cast<char>(bytes_[at_]); }
  void skip_space() {
    while (at_ < bytes_.size()) {
      if (byte() == '#') {
        while (at_ < bytes_.size() && byte() != '\n') ++at_;
      } else if (byte() == ' ' || (byte() >= '\t' && byte() <= '\r')) {
        ++at_;
      } else {
        return;
      }
    }
  }
  std::int64_t number(const char* what) {
    skip_space();
    std::int64_t value = 0;
    std::size_t digits = 0;
    for (; at_ < bytes_.size() && byte() >= '0' && byte() <= '9' && digits < 10; ++at_, ++digits) {
      value = value * 10 + (byte() - '0');
    }
    require(digits > 0, "'{}': the PPM's {} should be a number, at byte {}", name_, what, at_);
    return value;
  }

  std::span<const std::byte> bytes_;
  const std::string& name_;
  std::size_t at_ = 2;
  std::int64_t width_ = 0;
  std::int64_t height_ = 0;
};

// Records of `label_bytes` and three planes of 32 x 32.
std::vector<DecodedImage> decode_cifar(std::span<const std::byte> bytes, const std::string& name,
                                       std::size_t label_bytes) {
  constexpr std::size_t kPlane = 1024;
  const std::size_t record = label_bytes + 3 * kPlane;
  std::vector<DecodedImage> images;
  for (std::size_t i = 0; i < bytes.size() / record; ++i) {
    DecodedImage image{fmt::format("{}#{}", name, i), {32, 32, 3}, std::vector<std::uint8_t>(3 * kPlane)};
    const std::byte* planes = bytes.data() + i * record + label_bytes;
    for (std::size_t p = 0; p < kPlane; ++p) {
      for (std::size_t c = 0; c < 3; ++c) {
        image.pixels[p * 3 + c] = std::to_integer<std::uint8_t>(planes[c * kPlane + p]);
      }
    }
    images.push_back(std::move(image));
  }
  return images;
}

// Weights of the input's positions for each of the output's, along one axis.
struct Tap {
  std::int64_t first = 0;
  std::vector<double> weights;
};
std::vector<Tap> triangle_taps(std::int64_t from, std::int64_t to, std::int64_t crop, std::int64_t cropped) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(scale, 1.0);
  std::vector<Tap> taps;
  for (std::int64_t o = crop; o < crop + cropped; ++o) {
    const double center = (static_cast<double>(o) + 0.5) * scale;
    Tap tap;
    tap.first = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(center - support + 0.5)));
    const std::int64_t last = std::min(from, static_cast<std::int64_t>(std::floor(center + support + 0.5)));
    double sum = 0;
    for (std::int64_t i = tap.first; i < last; ++i) {
      const double distance = std::abs((static_cast<double>(i) + 0.5 - center) / support);
      tap.weights.push_back(std::max(0.0, 1 - distance));
      sum += tap.weights.back();
    }
    for (double& weight : tap.weights) weight /= sum;
    taps.push_back(std::move(tap));
  }
  return taps;
}

}  // namespace

std::vector<DecodedImage> decode_images(std::span<const std::byte> bytes, const std::string& name) {
  require(!bytes.empty(), "'{}' is empty", name);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("P6")) return {PpmHeader(bytes, name).image()};
  if (bytes.size() % 3073 == 0) return decode_cifar(bytes, name, 1);
  if (bytes.size() % 3074 == 0) return decode_cifar(bytes, name, 2);
  fail("'{}' is neither a binary PPM (P6) nor a file of CIFAR records", name);
}

DecodedImage fitted(DecodedImage image, const MapShape& target) {
  if (image.shape == target) return image;
  require(target.channels == image.shape.channels, "'{}' has {} channels, the network takes {}", image.name,
          image.shape.channels, target.channels);
  const std::int64_t c = target.channels;
  const double scale = std::max(static_cast<double>(target.height) / static_cast<double>(image.shape.height),
                                static_cast<double>(target.width) / static_cast<double>(image.shape.width));
  const auto scaled = [scale](std::int64_t extent, std::int64_t least) {
    return std::max(least, std::int64_t{std::lround(static_cast<double>(extent) * scale)});
  };
  const std::int64_t height = scaled(image.shape.height, target.height);
  const std::int64_t width = scaled(image.shape.width, target.width);
  const auto rows = triangle_taps(image.shape.height, height, (height - target.height) / 2, target.height);
  const auto columns = triangle_taps(image.shape.width, width, (width - target.width) / 2, target.width);
  // Columns first: [H, target W, C].
  std::vector<double> narrow(static_cast<std::size_t>(image.shape.height * target.width * c));
  for (std::int64_t y = 0; y < image.shape.height; ++y) {
    for (std::int64_t x = 0; x < target.width; ++x) {
      const Tap& tap = columns[static_cast<std::size_t>(x)];
      for (std::size_t i = 0; i < tap.weights.size(); ++i) {
        const std::int64_t from = (y * image.shape.width + tap.first + static_cast<std::int64_t>(i)) * c;
        for (std::int64_t k = 0; k < c; ++k) {
          narrow[static_cast<std::size_t>((y * target.width + x) * c + k)] +=
              tap.weights[i] * image.pixels[static_cast<std::size_t>(from + k)];
        }
      }
    }
  }
  DecodedImage result{std::move(image.name), target,
                      std::vector<std::uint8_t>(static_cast<std::size_t>(target.count()))};
  for (std::int64_t y = 0; y < target.height; ++y) {
    const Tap& tap = rows[static_cast<std::size_t>(y)];
    for (std::int64_t i = 0; i < target.width * c; ++i) {
      double sum = 0;
      for (std::size_t t = 0; t < tap.weights.size(); ++t) {
        const std::int64_t row = tap.first + static_cast<std::int64_t>(t);
        sum += tap.weights[t] * narrow[static_cast<std::size_t>(row * target.width * c + i)];
      }
      result.pixels[static_cast<std::size_t>(y * target.width * c + i)] =
          static_cast<std::uint8_t>(std::clamp(std::lround(sum), 0L, 255L));
    }
  }
  return result;
}

}  // namespace secateur::app
