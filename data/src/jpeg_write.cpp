// Writing JPEG by libjpeg-turbo: of pixels, and of the coefficients of another file.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "jpeg_cells.h"
#include "jpeg_trap.h"
#include "secateur/core/error.h"
#include "secateur/data/image_codec.h"

namespace secateur::data {
namespace {

// What libjpeg writes into memory that it allocates.
class JpegOutput {
 public:
  JpegOutput() = default;
  ~JpegOutput() {
    jpeg_destroy_compress(&info);
    std::free(buffer_);  // NOLINT(cppcoreguidelines-no-malloc): libjpeg allocated it
  }
  JpegOutput(const JpegOutput&) = delete;
  JpegOutput& operator=(const JpegOutput&) = delete;

  // To be called behind setjmp, like all of libjpeg.
  void open(JpegTrap& trap) {
    info.err = &trap.manager;
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &buffer_, &size_);
  }
  [[nodiscard]] std::vector<std::byte> bytes() const {
    std::vector<std::byte> bytes(size_);
    std::memcpy(bytes.data(), buffer_, size_);
    return bytes;
  }

  jpeg_compress_struct info{};

 private:
  unsigned char* buffer_ = nullptr;
  unsigned long size_ = 0;  // NOLINT(google-runtime-int): libjpeg's type
};

// A file whose coefficients are read, and the marker that holds its orientation.
class JpegInput {
 public:
  JpegInput() = default;
  ~JpegInput() { jpeg_destroy_decompress(&info); }
  JpegInput(const JpegInput&) = delete;
  JpegInput& operator=(const JpegInput&) = delete;

  // To be called behind setjmp.
  void open(JpegTrap& trap, std::span<const std::byte> bytes) {
    info.err = &trap.manager;
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&info, TRUE);
  }

  jpeg_decompress_struct info{};
};

}  // namespace

std::vector<std::byte> encode_jpeg(const RgbxImage& image, int quality) {
  require(quality >= 1 && quality <= 100, "the quality of a JPEG is 1 to 100, not {}", quality);
  JpegTrap trap;
  JpegOutput output;
  if (setjmp(trap.back) != 0) {
    fail("cannot encode an image of {} x {} pixels as JPEG: {}", image.width, image.height,
         trap.message.data());
  }
  output.open(trap);
  jpeg_compress_struct& info = output.info;
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
  return output.bytes();
}

std::vector<std::byte> with_restart_markers(std::span<const std::byte> jpeg, std::string_view name) {
  JpegTrap trap;
  JpegInput input;
  JpegOutput output;
  volatile bool reading = true;
  if (setjmp(trap.back) != 0) {
    if (reading) fail("'{}': the JPEG is cut short or broken: {}", name, trap.message.data());
    return {jpeg.begin(), jpeg.end()};
  }
  input.open(trap, jpeg);
  jvirt_barray_ptr* coefficients = jpeg_read_coefficients(&input.info);
  reading = false;
  output.open(trap);
  jpeg_compress_struct& info = output.info;
  jpeg_copy_critical_parameters(&input.info, &info);
  // The blocks of a lone component follow one by one, whatever its sampling.
  const std::int64_t mcu_width = DCTSIZE * (info.num_components == 1 ? 1 : input.info.max_h_samp_factor);
  const std::int64_t mcus = (std::int64_t{input.info.image_width} + mcu_width - 1) / mcu_width;
  info.restart_interval = static_cast<unsigned>(restart_interval_for(mcus, mcu_width));
  info.optimize_coding = TRUE;
  jpeg_write_coefficients(&info, coefficients);
  for (jpeg_saved_marker_ptr marker = input.info.marker_list; marker != nullptr; marker = marker->next) {
    jpeg_write_marker(&info, marker->marker, marker->data, marker->data_length);
  }
  jpeg_finish_compress(&info);
  return output.bytes();
}

}  // namespace secateur::data
