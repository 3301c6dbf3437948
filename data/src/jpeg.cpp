// JPEG by libjpeg-turbo: scaled and partial decoding, every colour space to RGB, EXIF orientation.
#include <cstdio>  // jpeglib.h needs FILE
//
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <string>

#include "exif.h"
#include "image_format.h"
#include "secateur/core/error.h"

namespace secateur::data {
namespace {

// libjpeg reports errors by a function that must not return. The jump goes over frames of C alone: every
// object of C++ is made before setjmp.
struct Trap {
  jpeg_error_mgr manager{};
  std::jmp_buf back{};
  std::array<char, JMSG_LENGTH_MAX> message{};

  Trap() {
    jpeg_std_error(&manager);
    manager.error_exit = [](j_common_ptr info) {
      auto* trap = reinterpret_cast<Trap*>(info->err);
      (*info->err->format_message)(info, trap->message.data());
      std::longjmp(trap->back, 1);
    };
    manager.output_message = [](j_common_ptr) {};
    // Where the stream ends early or its codes are broken, libjpeg warns and paints grey: no picture that we
    // want. Other warnings (stray bytes between markers, say) leave the picture whole.
    manager.emit_message = [](j_common_ptr info, int level) {
      const int code = info->err->msg_code;
      const bool broken = code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE;
      if (level < 0 && broken) (*info->err->error_exit)(info);
    };
  }
};

// A rectangle of whole pixels.
struct Window {
  std::int64_t y = 0;
  std::int64_t x = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

class Jpeg final : public ImageDecoder::Format {
 public:
  Jpeg(std::span<const std::byte> bytes, std::string_view name) : name_(name) {
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
    // Half the time of a full-size decode goes into the smooth upsampling of colours, which scaling undoes.
    info_.do_fancy_upsampling = target ? FALSE : TRUE;
    const Region stored = orientation_.to_stored(region, static_cast<double>(info_.image_height),
                                                 static_cast<double>(info_.image_width));
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

  // Decodes at the scale; `image` gets the pixels of `window`, which holds `wanted` with a margin that keeps
  // the smooth upsampling of colour at the window's edge out of it.
  void read(std::int64_t eighths, const Region& wanted, RgbxImage& image, Window& window) {
    constexpr std::int64_t kMargin = 2;
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

  std::string name_;
  Trap trap_;
  jpeg_decompress_struct info_{};
  Orientation orientation_;
};

}  // namespace

std::unique_ptr<ImageDecoder::Format> open_jpeg(std::span<const std::byte> bytes, std::string_view name) {
  auto jpeg = std::make_unique<Jpeg>(bytes, name);
  check_extent(name, jpeg->height(), jpeg->width());
  return jpeg;
}

std::vector<std::byte> encode_jpeg(const RgbxImage& image, int quality) {
  require(quality >= 1 && quality <= 100, "the quality of a JPEG is 1 to 100, not {}", quality);
  Trap trap;
  jpeg_compress_struct info{};
  info.err = &trap.manager;
  unsigned char* buffer = nullptr;
  unsigned long size = 0;  // NOLINT(google-runtime-int): libjpeg's type
  std::vector<std::byte> bytes;
  if (setjmp(trap.back) != 0) {
    jpeg_destroy_compress(&info);
    std::free(buffer);  // NOLINT(cppcoreguidelines-no-malloc): libjpeg allocated it
    fail("cannot encode an image of {} x {} pixels as JPEG: {}", image.width, image.height,
         trap.message.data());
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = 4;
  info.in_color_space = JCS_EXT_RGBX;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<std::uint8_t*>(image.pixels.data()) +
                std::size_t{info.next_scanline} * info.image_width * 4;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  bytes.resize(size);
  std::memcpy(bytes.data(), buffer, size);
  std::free(buffer);  // NOLINT(cppcoreguidelines-no-malloc)
  return bytes;
}

}  // namespace secateur::data
