// Image files to pixels and back: JPEG (baseline, progressive, grey, CMYK and YCCK, turned upright by their
// EXIF note), PNG and binary PPM (P6), told apart by what the bytes hold, never by the name.
//
// Pixels are 8-bit RGB with a fourth byte of no meaning, [H, W, 4]: what vector units like to read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace secateur::data {

struct RgbxImage {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<std::uint8_t> pixels;  // [height, width, 4]: red, green, blue, anything
};

// A rectangle of an image, in pixels from its top left corner; real-valued where the image was scaled.
struct Region {
  double y = 0;
  double x = 0;
  double height = 0;
  double width = 0;

  bool operator==(const Region&) const = default;
};

// Pixels that hold a region, and where in them it lies.
struct DecodedRegion {
  RgbxImage image;
  Region region;
};

// Most pixels of an image that is decoded; a file that claims more is refused before memory is taken for it.
inline constexpr std::int64_t kMaxImagePixels = std::int64_t{1} << 28;

// One encoded image. The constructor reads the header alone.
class ImageDecoder {
 public:
  // `bytes` must live as long as the decoder; `name` is for messages. Throws Error that names the image and
  // says what is wrong: no image, an empty one, a broken header, no pixels or more than kMaxImagePixels.
  ImageDecoder(std::span<const std::byte> bytes, std::string_view name);
  ~ImageDecoder();
  ImageDecoder(ImageDecoder&&) noexcept;
  ImageDecoder& operator=(ImageDecoder&&) noexcept;

  // Of the upright image.
  [[nodiscard]] std::int64_t height() const;
  [[nodiscard]] std::int64_t width() const;

  // The whole image. Once only; throws Error for pixels that are cut short or broken.
  [[nodiscard]] RgbxImage decode();
  // The pixels of `region` (whole numbers, within the image), and perhaps some around it, read only as far as
  // the region reaches: those of decode(). Once only; throws Error like decode(), though a JPEG that is cut
  // short after the region is not noticed.
  [[nodiscard]] DecodedRegion decode(const Region& region);
  // Likewise, for a region that will be scaled to `height` x `width`: a JPEG is decoded at a half, a quarter
  // or an eighth of its size where the region then still has as many pixels, and its colours are not
  // smoothed.
  [[nodiscard]] DecodedRegion decode_for(const Region& region, std::int64_t height, std::int64_t width);

  // One file format. Private to the codecs.
  class Format;

 private:
  std::unique_ptr<Format> format_;
};

// A baseline JPEG (4:2:0) of the image, quality 1 .. 100.
[[nodiscard]] std::vector<std::byte> encode_jpeg(const RgbxImage& image, int quality);
// The same picture, coefficient for coefficient, as a baseline JPEG with restart markers (some bytes larger
// or smaller): ImageDecoder then reads of a region's codes no more than what the region reaches. Its EXIF
// note stays, other notes go. A file that cannot be written in one scan (more than ten blocks in an MCU)
// comes back as it is. `name` is for messages; throws Error for a JPEG that is broken.
[[nodiscard]] std::vector<std::byte> with_restart_markers(std::span<const std::byte> jpeg,
                                                          std::string_view name);
// A binary PPM (P6) of the image.
[[nodiscard]] std::vector<std::byte> encode_ppm(const RgbxImage& image);

}  // namespace secateur::data
