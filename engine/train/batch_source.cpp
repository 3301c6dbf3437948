#include "secateur/train/batch_source.h"

#include "secateur/core/error.h"

namespace secateur {

void BatchSource::fill_at(const std::int64_t* /*first*/, std::int64_t /*offset*/, std::int64_t /*count*/,
                          Stream& /*stream*/, const Tensor& /*images*/, const Tensor& /*labels*/) {
  fail("this source makes its batches on the host, not at a place that only the device knows");
}

void BatchSource::set_image_size(std::int64_t side) {
  const MapShape own = image_shape();
  require(side == own.height && side == own.width,
          "images of {} x {} were asked for, but these are {} x {} and cannot be scaled: the size can change "
          "where images are decoded (imagefolder, packed)",
          side, side, own.height, own.width);
}

}  // namespace secateur
