#include "secateur/train/batch_source.h"

#include "secateur/core/error.h"

namespace secateur {

void BatchSource::fill_at(const std::int64_t* /*first*/, std::int64_t /*count*/, Stream& /*stream*/,
                          const Tensor& /*images*/, const Tensor& /*labels*/) {
  fail("this source makes its batches on the host, not at a place that only the device knows");
}

}  // namespace secateur
