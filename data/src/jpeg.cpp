// JPEG by libjpeg-turbo: scaled and partial decoding, every colour space to RGB, EXIF orientation.
#include <algorithm>
#include <cmath>
#include <string>

#include "exif.h"
#include "image_format.h"
#include "jpeg_cells.h"
#include "jpeg_trap.h"
#include "secateur/core/error.h"

namespace secateur::data {
namespace {

class Jpeg final : public ImageDecoder::Format {
 public:
  Jpeg(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {
    info_.err = &trap_.manager;
    if (setjmp(trap_.back) != 0) fail_as("a broken JPEG header");
    jpeg_create_decompress(&info_);
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&info_, TRUE);
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      if (marker->marker == JPEG_APP0 + 1) {
        orientation_ = exif_orientation(std::as_bytes(std::span(marker->data, marker->data_length)));
        break;
      }
    }
  }
  ~Jpeg() override { jpeg_destroy_decompress(&info_); }
  Jpeg(const Jpeg&) = delete;
  Jpeg& operator=(const Jpeg&) = delete;

  [[nodiscard]] std::int64_t height() const override {
    return orientation_.transposed ? info_.image_width : info_.image_height;
  }
  [[nodiscard]] std::int64_t width() const override {
    return orientation_.transposed ? info_.image_height : info_.image_width;
  }

  [[nodiscard]] DecodedRegion decode(const Region& region, std::optional<Extent> target) override {
    const std::int64_t eighths = target ? scale_for(region, *target) : 8;
    Region stored = orientation_.to_stored(region, static_cast<double>(info_.image_height),
                                           static_cast<double>(info_.image_width));
    cut_around(stored, eighths);
    // Half the time of a full-size decode goes into the smooth upsampling of colours, which scaling undoes.
    info_.do_fancy_upsampling = target ? FALSE : TRUE;
    const double scale = static_cast<double>(eighths) / 8;
    const Region scaled{stored.y * scale, stored.x * scale, stored.height * scale, stored.width * scale};
    RgbxImage image;
    Window window;
    read(eighths, scaled, image, window);
    const Region inner{scaled.y - static_cast<double>(window.y), scaled.x - static_cast<double>(window.x),
                       scaled.height, scaled.width};
    return orientation_.upright({std::move(image), inner});
  }

 private:
  static constexpr std::int64_t kMargin = 2;  // decoded pixels

  [[noreturn]] void fail_as(const char* what) {
    const std::string reason = trap_.message.data();
    jpeg_destroy_decompress(&info_);
    fail("'{}': {}: {}", name_, what, reason);
  }

  // Eighths of the full size to decode at.
  static std::int64_t scale_for(const Region& region, Extent target) {
    for (const std::int64_t eighths : {1, 2, 4}) {
      const double scale = static_cast<double>(eighths) / 8;
      if (region.height * scale >= static_cast<double>(target.height) &&
          region.width * scale >= static_cast<double>(target.width)) {
        return eighths;
      }
    }
    return 8;
  }

  // Goes on with the cells around the region alone, where the file has cells and they are fewer than all;
  // `region` is then theirs.
  void cut_around(Region& region, std::int64_t eighths) {
    const double margin = static_cast<double>(kMargin * 8) / static_cast<double>(eighths);
    const auto first = [&](double edge) { return std::max<std::int64_t>(std::lround(edge - margin), 0); };
    Window wanted{.y = first(region.y), .x = first(region.x)};
    wanted.height = std::lround(region.y + region.height + margin) - wanted.y;
    wanted.width = std::lround(region.x + region.width + margin) - wanted.x;
    cut_ = cut_jpeg(bytes_, wanted);
    if (!cut_) return;
    if (setjmp(trap_.back) != 0) fail_as("a broken JPEG header");
    jpeg_abort_decompress(&info_);
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(cut_->bytes.data()), cut_->bytes.size());
    jpeg_read_header(&info_, TRUE);
    region.y -= static_cast<double>(cut_->window.y);
    region.x -= static_cast<double>(cut_->window.x);
  }

  // Decodes at the scale; `image` gets the pixels of `window`, which holds `wanted` with a margin that keeps
  // the smooth upsampling of colour at the window's edge out of it.
  void read(std::int64_t eighths, const Region& wanted, RgbxImage& image, Window& window) {
    std::vector<std::uint8_t> four_colors;
    JSAMPROW row = nullptr;
    if (setjmp(trap_.back) != 0) fail_as("the JPEG is cut short or broken");
    const bool inks = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    info_.out_color_space = inks ? JCS_CMYK : JCS_EXT_RGBX;
    info_.scale_num = static_cast<unsigned>(eighths);
    info_.scale_denom = 8;
    jpeg_start_decompress(&info_);
    const auto bound = [](double edge, std::int64_t margin, JDIMENSION extent) {
      return std::clamp<std::int64_t>(static_cast<std::int64_t>(edge) + margin, 0, extent);
    };
    window.y = bound(std::floor(wanted.y), -kMargin, info_.output_height);
    const std::int64_t bottom = bound(std::ceil(wanted.y + wanted.height), kMargin, info_.output_height);
    window.height = bottom - window.y;
    auto left = static_cast<JDIMENSION>(bound(std::floor(wanted.x), -kMargin, info_.output_width));
    auto columns =
        static_cast<JDIMENSION>(bound(std::ceil(wanted.x + wanted.width), kMargin, info_.output_width)) -
        left;
    if (columns < info_.output_width) jpeg_crop_scanline(&info_, &left, &columns);
    window.x = left;
    window.width = columns;
    image.height = window.height;
    image.width = window.width;
    image.pixels.resize(static_cast<std::size_t>(window.height * window.width * 4));
    if (inks) four_colors.resize(static_cast<std::size_t>(window.width * 4));
    if (window.y > 0) jpeg_skip_scanlines(&info_, static_cast<JDIMENSION>(window.y));
    for (std::int64_t y = 0; y < window.height; ++y) {
      std::uint8_t* out = image.pixels.data() + y * window.width * 4;
      row = inks ? four_colors.data() : out;
      jpeg_read_scanlines(&info_, &row, 1);
      if (inks) write_inks(four_colors, out);
    }
    jpeg_abort_decompress(&info_);
  }

  // Adobe's files hold their inks inverted (255: none), and others follow them.
  void write_inks(const std::vector<std::uint8_t>& row, std::uint8_t* out) const {
    const bool inverted = info_.saw_Adobe_marker != FALSE;
    for (std::size_t i = 0; i < row.size(); i += 4) {
      const unsigned black = inverted ? row[i + 3] : 255U - row[i + 3];
      for (std::size_t c = 0; c < 3; ++c) {
        const unsigned ink = inverted ? row[i + c] : 255U - row[i + c];
        out[i + c] = static_cast<std::uint8_t>((ink * black + 127) / 255);
      }
    }
  }

  std::span<const std::byte> bytes_;
  std::optional<JpegCut> cut_;  // lives as long as it is decoded
  std::string name_;
  JpegTrap trap_;
  jpeg_decompress_struct info_{};
  Orientation orientation_;
};

}  // namespace

std::unique_ptr<ImageDecoder::Format> open_jpeg(std::span<const std::byte> bytes, std::string_view name) {
  auto jpeg = std::make_unique<Jpeg>(bytes, name);
  check_extent(name, jpeg->height(), jpeg->width());
  return jpeg;
}

}  // namespace secateur::data
