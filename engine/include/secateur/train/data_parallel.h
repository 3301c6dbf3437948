// DataParallel: what several processes that train one network do together. Each has the whole network and a
// part of every batch; gradients, counts and (where asked for) the statistics of batch norm are those of the
// whole batch, so that all of them take the same step and hold the same weights, bit for bit.
//
// With a null communicator it does nothing.
#pragma once

#include <cstdint>
#include <memory>

#include "secateur/backend/device_step.h"
#include "secateur/dist/communicator.h"
#include "secateur/runtime/model.h"
#include "secateur/runtime/program.h"
#include "secateur/train/evaluator.h"
#include "secateur/train/finite.h"

namespace secateur {

// The samples of a batch that this process computes.
struct BatchPart {
  std::int64_t first = 0;  // in the epoch's order
  std::int64_t count = 0;
  std::int64_t first_in_batch = 0;
  // What the loss of each part is divided by, so that the sum of the parts' gradients is that of the mean.
  std::int64_t divisor = 0;
  // False: there are fewer samples than processes, and every one of them computes the whole batch.
  bool shared = false;
};

class DataParallel final : public GradientListener {
 public:
  // Model, stream and communicator must outlive it.
  DataParallel(Model& model, Stream& stream, Communicator* communicator);

  // Of the batch of samples first .. first + count - 1.
  [[nodiscard]] BatchPart part_of(std::int64_t first, std::int64_t count) const;

  // Gives every process the weights, statistics and momentum of rank 0, where the model is a new one since
  // the last call.
  void begin_epoch();
  // For Program::backward; null where there is nothing to add up.
  [[nodiscard]] GradientListener* listener() { return communicator_ == nullptr ? nullptr : this; }
  // Gradients are summed in ranges of a few megabytes as they become final; on an accelerator on a stream of
  // its own, beside the rest of the backward pass.
  void on_gradients(std::int64_t first, std::int64_t count) override;
  // After the backward pass: what is queued on the stream from here on sees the summed gradients.
  void finish_gradients();
  // Whether a step may be recorded, with what is exchanged in it.
  [[nodiscard]] bool can_be_recorded() const {
    return communicator_ == nullptr || communicator_->can_be_recorded();
  }
  // Replays such a step. Throws LostProcessError where nothing can be exchanged any more.
  void replay(Recording& step);
  // Of a step that the host does not look at, after the forward pass: finish_gradients() waits for it too.
  void join_losses(DeviceStep& step);
  // Loss and hits that each process has summed up, over all of them.
  void add_up(double& loss_sum, std::int64_t& top1);
  // Counts of the whole batch; finite where all parts are.
  [[nodiscard]] BatchMetrics total(const BatchMetrics& own, const BatchPart& part);
  [[nodiscard]] bool any(bool mine) { return communicator_ == nullptr ? mine : communicator_->any(mine); }
  // The place that the first process found that found one in a layer.
  [[nodiscard]] NonFinitePlace first_place(const NonFinitePlace& mine);
  // Running statistics become their means over the processes (with synchronised batch norm they are equal
  // already). Throws Error where the processes' weights are not the same.
  void end_epoch();

 private:
  [[nodiscard]] Stream& sum_stream();
  // The sum stream, once it has all that was queued on the other.
  [[nodiscard]] Stream& sum_stream_after_all();
  void average_statistics();

  Model& model_;
  Stream& stream_;
  Communicator* communicator_;
  std::unique_ptr<Stream> side_;  // accelerators alone
  std::unique_ptr<Event> ready_;  // what the side stream waits for, and what is waited for of it
  std::int64_t pending_first_ = 0;
  std::int64_t pending_count_ = 0;
  std::int64_t generation_ = -1;
};

}  // namespace secateur
