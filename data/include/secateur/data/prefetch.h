// PrefetchingLoader: makes the next batch of another source in a thread of its own while the present one is
// trained on.
//
// The batches are those of the source, bit for bit: the thread only guesses which one is asked for next (the
// one that follows, or as far ahead as the last one was, of the same size) and what is not guessed right is
// made when asked for. The thread uses one core.
#pragma once

#include <memory>
#include <optional>

#include "secateur/data/pixel_source.h"

namespace secateur::data {

class PrefetchingLoader final : public BatchSource {
 public:
  // From here on only the thread talks to `source`, or a call that waits for it.
  explicit PrefetchingLoader(std::unique_ptr<PixelSource> source);
  // Waits for the batch that is being made, at most.
  ~PrefetchingLoader() override;
  PrefetchingLoader(const PrefetchingLoader&) = delete;
  PrefetchingLoader& operator=(const PrefetchingLoader&) = delete;

  [[nodiscard]] std::int64_t size() const override { return size_; }
  [[nodiscard]] MapShape image_shape() const override { return shape_; }
  [[nodiscard]] std::int64_t num_classes() const override { return num_classes_; }
  void set_image_size(std::int64_t side) override;
  // Starts on the first batch of the epoch when the size of batches is known.
  void begin_epoch(std::int64_t epoch) override;
  // Throws what the source threw for this batch; another call tries again.
  void fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
            const Tensor& labels) override;

  // Batches that were ready or being made when asked for, since construction.
  [[nodiscard]] std::int64_t hits() const { return hits_; }

 private:
  class Worker;

  std::int64_t size_;
  MapShape shape_;
  ChannelStatistics normalization_;
  std::int64_t num_classes_;
  std::int64_t epoch_ = 0;
  std::int64_t batch_size_ = 0;           // of the epoch's first batch; 0: none was asked for yet
  std::int64_t epoch_first_ = 0;          // where that batch began
  std::optional<std::int64_t> previous_;  // where the last one began, in this epoch
  std::int64_t step_ = 0;                 // from one batch to the next; 0: not known yet
  std::int64_t hits_ = 0;
  std::unique_ptr<Worker> worker_;
};

}  // namespace secateur::data
