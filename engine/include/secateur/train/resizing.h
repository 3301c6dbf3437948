// Progressive resizing: training begins on small images, which cost less, and goes over to the full size in
// equal stairs (Howard 2018, "Training Imagenet in 3 hours for USD 25"; Tan and Le 2021).
#pragma once

#include <cstdint>

namespace secateur {

struct ResizingOptions {
  std::int64_t from = 0;         // height and width in the first epoch; 0: the full size throughout
  std::int64_t until_epoch = 0;  // from this epoch on the size is the full one
  std::int64_t step = 32;        // of a stair
};

// Throws Error for a first size that is no smaller than the full one, a step below 1 or a last epoch below 1.
void check(const ResizingOptions& options, std::int64_t full_size);

// Height and width in epoch `epoch` (from 0, over the whole run): from + step * floor((full - from) / step *
// epoch / until_epoch) before until_epoch, `full_size` from there on.
[[nodiscard]] std::int64_t image_size_at(const ResizingOptions& options, std::int64_t full_size,
                                         std::int64_t epoch);

}  // namespace secateur
