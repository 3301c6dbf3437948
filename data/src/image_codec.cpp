#include "secateur/data/image_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>

#include "image_format.h"
#include "secateur/core/error.h"

namespace secateur::data {
namespace {

bool begins_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

// The first bytes, as a person who looks into the file would note them down.
std::string first_bytes(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte b : bytes.first(std::min<std::size_t>(bytes.size(), 8))) {
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", std::to_integer<int>(b));
  }
  return text;
}

std::unique_ptr<ImageDecoder::Format> open_format(std::span<const std::byte> bytes, std::string_view name) {
  require(!bytes.empty(), "'{}' is empty", name);
  if (is_jpeg(bytes)) return open_jpeg(bytes, name);
  if (begins_with(bytes, "\x89PNG\r\n\x1A\n")) return open_png(bytes, name);
  if (begins_with(bytes, "P6")) return open_ppm(bytes, name);
  fail("'{}' is no JPEG, PNG or binary PPM (P6): it begins with {}", name, first_bytes(bytes));
}

// P6: "P6", width, height, 255, each after white space or comments; one white space; pixels.
class Ppm final : public ImageDecoder::Format {
 public:
  Ppm(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {
    width_ = number("width");
    height_ = number("height");
    const std::int64_t full_scale = number("full scale");
    check_extent(name_, height_, width_);
    require(full_scale == 255, "'{}': a PPM with full scale {} is not read, only 255", name_, full_scale);
    require(at_ < bytes_.size(), "'{}': the PPM ends in its header", name_);
    ++at_;
  }

  [[nodiscard]] std::int64_t height() const override { return height_; }
  [[nodiscard]] std::int64_t width() const override { return width_; }

  [[nodiscard]] DecodedRegion decode(const Region& region, std::optional<Extent> /*target*/) override {
    const auto count = static_cast<std::size_t>(width_ * height_);
    require(bytes_.size() - at_ >= count * 3, "'{}': the PPM should have {} bytes of pixels, has {}", name_,
            count * 3, bytes_.size() - at_);
    RgbxImage image{height_, width_, std::vector<std::uint8_t>(count * 4)};
    const auto* from = reinterpret_cast<const std::uint8_t*>(bytes_.data() + at_);
    for (std::size_t i = 0; i < count; ++i) std::copy_n(from + i * 3, 3, image.pixels.data() + i * 4);
    return {std::move(image), region};
  }

 private:
  [[nodiscard]] char byte() const { return static_cast<char>(bytes_[at_]); }
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
  std::string name_;
  std::size_t at_ = 2;
  std::int64_t width_ = 0;
  std::int64_t height_ = 0;
};

}  // namespace

bool is_jpeg(std::span<const std::byte> bytes) { return begins_with(bytes, "\xFF\xD8"); }

std::unique_ptr<ImageDecoder::Format> open_ppm(std::span<const std::byte> bytes, std::string_view name) {
  return std::make_unique<Ppm>(bytes, name);
}

void check_extent(std::string_view name, std::int64_t height, std::int64_t width) {
  require(height >= 1 && width >= 1 && height <= kMaxImagePixels && width <= kMaxImagePixels / height,
          "'{}': an image of {} x {} pixels is not read (at most {} pixels)", name, width, height,
          kMaxImagePixels);
}

ImageDecoder::ImageDecoder(std::span<const std::byte> bytes, std::string_view name)
    : format_(open_format(bytes, name)) {}
ImageDecoder::~ImageDecoder() = default;
ImageDecoder::ImageDecoder(ImageDecoder&&) noexcept = default;
ImageDecoder& ImageDecoder::operator=(ImageDecoder&&) noexcept = default;

std::int64_t ImageDecoder::height() const { return format_->height(); }
std::int64_t ImageDecoder::width() const { return format_->width(); }

RgbxImage ImageDecoder::decode() {
  const Region all{0, 0, static_cast<double>(height()), static_cast<double>(width())};
  return format_->decode(all, std::nullopt).image;
}

DecodedRegion ImageDecoder::decode(const Region& region) { return format_->decode(region, std::nullopt); }

DecodedRegion ImageDecoder::decode_for(const Region& region, std::int64_t height, std::int64_t width) {
  return format_->decode(region, Extent{height, width});
}

std::vector<std::byte> encode_ppm(const RgbxImage& image) {
  const std::string header = fmt::format("P6\n{} {}\n255\n", image.width, image.height);
  std::vector<std::byte> bytes(header.size() + static_cast<std::size_t>(image.height * image.width * 3));
  std::memcpy(bytes.data(), header.data(), header.size());
  auto* out = reinterpret_cast<std::uint8_t*>(bytes.data() + header.size());
  for (std::size_t i = 0; i < image.pixels.size() / 4; ++i) {
    std::copy_n(image.pixels.data() + i * 4, 3, out + i * 3);
  }
  return bytes;
}

}  // namespace secateur::data
