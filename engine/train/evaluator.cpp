#include "secateur/train/evaluator.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "secateur/core/host_values.h"

namespace secateur {
BatchMetrics read_metrics(Program& program, Stream& stream, std::int64_t samples) {
  const Tensor logits = program.logits();
  const Tensor labels = program.labels();
  const std::vector<double> scores = read_values(logits, stream);
  const std::vector<double> losses = read_values(program.losses(), stream);
  std::vector<std::int32_t> targets(static_cast<std::size_t>(labels.count()));
  stream.copy_to_host(targets.data(), labels.data, labels.stored_bytes());

  BatchMetrics metrics;
  const std::int64_t classes = logits.channels();
  for (std::int64_t n = 0; n < samples; ++n) {
    const double loss = losses[static_cast<std::size_t>(n)];
    metrics.finite = metrics.finite && std::isfinite(loss);
    metrics.loss_sum += loss;
    const std::int32_t target = targets[static_cast<std::size_t>(n)];
    if (target < 0) continue;
    const double* row = scores.data() + n * classes;
    // Counted as "not below", so that a NaN anywhere is never called right.
    std::int64_t not_below = 0;
    for (std::int64_t k = 0; k < classes; ++k) not_below += (k != target && !(row[k] < row[target])) ? 1 : 0;
    metrics.top1 += not_below == 0 ? 1 : 0;
    metrics.top5 += not_below < 5 ? 1 : 0;
  }
  return metrics;
}

Evaluator::Evaluator(Model& model, Arena& arena, Stream& stream, std::int64_t batch, Precision precision)
    : model_(model), arena_(arena), stream_(stream), batch_(batch), precision_(precision) {}

Evaluation Evaluator::run(BatchSource& source) {
  if (program_ == nullptr || generation_ != model_.generation()) {
    const std::int64_t batch = std::max<std::int64_t>(1, std::min(batch_, source.size()));
    program_.reset();
    program_ = std::make_unique<Program>(
        model_, arena_, stream_,
        ProgramOptions{
            .batch = batch, .mode = ProgramMode::infer, .precision = precision_, .with_loss = true});
    generation_ = model_.generation();
  }
  Evaluation result;
  result.samples = source.size();
  require(result.samples > 0, "an evaluation needs at least one sample");
  source.begin_epoch(0);
  std::int64_t top1 = 0;
  std::int64_t top5 = 0;
  const Tensor images = program_->images();
  const Tensor labels = program_->labels();
  // The last batch may be smaller: what earlier ones left in the other rows is computed and not read. Before
  // the first batch these rows are whatever the arena held, so they are cleared once.
  stream_.zero(images.data, images.stored_bytes());
  stream_.zero(labels.data, labels.stored_bytes());
  for (std::int64_t first = 0; first < result.samples; first += program_->batch()) {
    const std::int64_t count = std::min(program_->batch(), result.samples - first);
    source.fill(first, count, stream_, images, labels);
    program_->forward({});
    const BatchMetrics metrics = read_metrics(*program_, stream_, count);
    result.loss += metrics.loss_sum;
    top1 += metrics.top1;
    top5 += metrics.top5;
  }
  const auto samples = static_cast<double>(result.samples);
  result.loss /= samples;
  result.top1 = static_cast<double>(top1) / samples;
  result.top5 = static_cast<double>(top5) / samples;
  return result;
}

}  // namespace secateur
