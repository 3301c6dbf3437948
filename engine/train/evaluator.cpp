#include "secateur/train/evaluator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "secateur/core/host_values.h"
#include "secateur/dist/communicator.h"

namespace secateur {
namespace {

// The stored rows of a tensor that is a buffer of its own.
void read_rows(const Tensor& tensor, Stream& stream, std::vector<std::byte>& bytes) {
  bytes.resize(static_cast<std::size_t>(tensor.stored_bytes()));
  stream.copy_to_host(bytes.data(), tensor.data, tensor.stored_bytes());
}

}  // namespace

BatchMetrics MetricsReader::read(Program& program, Stream& stream, std::int64_t samples) {
  const Tensor logits = program.logits();
  const Tensor losses = program.losses();
  const Tensor labels = program.labels();
  read_rows(logits, stream, logits_);
  read_rows(losses, stream, losses_);
  labels_.resize(static_cast<std::size_t>(labels.count()));
  stream.copy_to_host(labels_.data(), labels.data, labels.stored_bytes());

  BatchMetrics metrics;
  const std::int64_t classes = logits.channels();
  const std::int64_t element = size_of(logits.dtype);
  for (std::int64_t n = 0; n < samples; ++n) {
    const double loss =
        decode_element(losses.dtype, losses_.data() + n * losses.leading * size_of(losses.dtype));
    metrics.finite = metrics.finite && std::isfinite(loss);
    metrics.loss_sum += loss;
    const std::int32_t target = labels_[static_cast<std::size_t>(n)];
    if (target < 0) continue;
    const std::byte* row = logits_.data() + n * logits.leading * element;
    const double right = decode_element(logits.dtype, row + target * element);
    // Counted as "not below", so that a NaN anywhere is never called right.
    std::int64_t not_below = 0;
    for (std::int64_t k = 0; k < classes; ++k) {
      const bool below = decode_element(logits.dtype, row + k * element) < right;
      not_below += (k != target && !below) ? 1 : 0;
    }
    metrics.top1 += not_below == 0 ? 1 : 0;
    metrics.top5 += not_below < 5 ? 1 : 0;
  }
  return metrics;
}

Evaluator::Evaluator(Model& model, Arena& arena, Stream& stream, std::int64_t batch, Precision precision,
                     Communicator* communicator)
    : model_(model),
      arena_(arena),
      stream_(stream),
      batch_(batch),
      precision_(precision),
      communicator_(communicator) {}

Evaluation Evaluator::run(BatchSource& source) {
  if (program_ == nullptr || generation_ != model_.generation()) {
    const std::int64_t batch = std::max<std::int64_t>(1, std::min(batch_, source.size()));
    program_.reset();
    program_ = std::make_unique<Program>(model_, arena_, stream_,
                                         ProgramOptions{.batch = batch,
                                                        .mode = ProgramMode::infer,
                                                        .precision = precision_,
                                                        .with_loss = true,
                                                        .averaged = model_.averaged()});
    generation_ = model_.generation();
  }
  Evaluation result;
  result.samples = source.size();
  require(result.samples > 0, "an evaluation needs at least one sample");
  source.begin_epoch(0);
  const Share share = share_of(result.samples, communicator_);
  std::array<double, 3> sums{};  // of the losses, of the first guesses and of the five first that were right
  const Tensor images = program_->images();
  const Tensor labels = program_->labels();
  // The last batch may be smaller: what earlier ones left in the other rows is computed and not read. Before
  // the first batch these rows are whatever the arena held, so they are cleared once.
  stream_.zero(images.data, images.stored_bytes());
  stream_.zero(labels.data, labels.stored_bytes());
  for (std::int64_t done = 0; done < share.count; done += program_->batch()) {
    const std::int64_t first = share.first + done;
    const std::int64_t count = std::min(program_->batch(), share.count - done);
    source.fill(first, count, stream_, images, labels);
    program_->forward({});
    const BatchMetrics metrics = metrics_.read(*program_, stream_, count);
    sums[0] += metrics.loss_sum;
    sums[1] += static_cast<double>(metrics.top1);
    sums[2] += static_cast<double>(metrics.top5);
  }
  if (communicator_ != nullptr) communicator_->sum(sums);
  const auto samples = static_cast<double>(result.samples);
  result.loss = sums[0] / samples;
  result.top1 = sums[1] / samples;
  result.top5 = sums[2] / samples;
  return result;
}

}  // namespace secateur
