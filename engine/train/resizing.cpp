#include "secateur/train/resizing.h"

#include "secateur/core/error.h"

namespace secateur {

void check(const ResizingOptions& options, std::int64_t full_size) {
  if (options.from == 0) return;
  require(options.from > 0 && options.from < full_size,
          "progressive resizing begins with images smaller than the full {}, got {}", full_size,
          options.from);
  require(options.until_epoch >= 1, "progressive resizing takes at least one epoch, got {}",
          options.until_epoch);
  require(options.step >= 1, "a stair of progressive resizing is at least one pixel, got {}", options.step);
}

std::int64_t image_size_at(const ResizingOptions& options, std::int64_t full_size, std::int64_t epoch) {
  if (options.from == 0 || epoch >= options.until_epoch) return full_size;
  const std::int64_t grown = (full_size - options.from) * epoch;
  return options.from + grown / (options.until_epoch * options.step) * options.step;
}

}  // namespace secateur
