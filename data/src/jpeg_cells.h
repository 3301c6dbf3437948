// A JPEG with restart markers is a grid of cells whose codes stand alone (ITU-T T.81, E.1.4 and F.1.1.5: a
// marker aligns the stream to a byte and sets the predictions of DC back). A part of the picture is thus cut
// out of the file without decoding what lies around it, which with entropy coding is most of the work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace secateur::data {

// A rectangle of whole pixels of an image as it is stored.
struct Window {
  std::int64_t y = 0;
  std::int64_t x = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

struct JpegCut {
  std::vector<std::byte> bytes;  // a JPEG of the window's pixels
  Window window;                 // of the whole image, in cells
};

// The cells that hold the window, as a JPEG of its own. Nothing where that would be the whole image, or where
// cells cannot be cut: no restart markers, markers that are not in order as far as the window reaches, other
// modes than baseline and extended sequential with all colours in one scan. Never throws for what `jpeg`
// holds.
[[nodiscard]] std::optional<JpegCut> cut_jpeg(std::span<const std::byte> jpeg, const Window& wanted);

// The restart interval, in MCU (blocks of all colours, what a scan interleaves), that makes cells of 32
// pixels or more by one MCU for rows of `mcus` MCU, each `mcu_width` pixels wide: the first divisor of the
// row.
[[nodiscard]] std::int64_t restart_interval_for(std::int64_t mcus, std::int64_t mcu_width);

}  // namespace secateur::data
