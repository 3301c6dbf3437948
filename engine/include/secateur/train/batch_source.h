// BatchSource: what a Trainer, an Evaluator and a Scorer pull batches from. Data sets implement it (data/);
// the engine knows none of them.
//
// Pixels stand in NHWC order. Which sample lands where depends only on (seed, epoch): a resumed run sees the
// same batches, whatever the number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "secateur/core/device.h"
#include "secateur/core/shape.h"
#include "secateur/core/tensor.h"

namespace secateur {

class BatchSource {
 public:
  virtual ~BatchSource() = default;

  [[nodiscard]] virtual std::int64_t size() const = 0;
  [[nodiscard]] virtual MapShape image_shape() const = 0;
  [[nodiscard]] virtual std::int64_t num_classes() const = 0;

  // From the next begin_epoch() on images are `side` x `side`. Throws Error where images of this source have
  // one size alone, which is another.
  virtual void set_image_size(std::int64_t side);

  // Fixes the order (and the augmentation) of what follows. Sources without shuffling keep their own order.
  virtual void begin_epoch(std::int64_t epoch) = 0;

  // Fills images [count, H, W, C] (of the program's type, leading dimension respected, padding lanes zeroed;
  // normalised, and augmented where the source augments) and labels [count] (i32) with samples first .. first
  // + count - 1 of the epoch's order. The tensors' batch axis may be larger than `count`: the rest is left
  // alone. Throws Error when the range passes size().
  virtual void fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
                    const Tensor& labels) = 0;

  // Whether the samples lie on the device, so that fill_at() works.
  [[nodiscard]] virtual bool on_device() const { return false; }
  // fill() from `offset` + *first on, which is read from the device's memory when the work runs: it can be
  // recorded once for all batches of `count`. The place is trusted. Throws Error where on_device() is false.
  virtual void fill_at(const std::int64_t* first, std::int64_t offset, std::int64_t count, Stream& stream,
                       const Tensor& images, const Tensor& labels);
};

}  // namespace secateur
