// Accuracy and loss of a model over a set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "secateur/runtime/program.h"
#include "secateur/train/batch_source.h"

namespace secateur {

struct Evaluation {
  std::int64_t samples = 0;
  double loss = 0;  // mean cross-entropy
  double top1 = 0;  // fractions in [0, 1]
  double top5 = 0;  // 1 where there are five classes or fewer
};

// Counts of one batch: sums over its first `samples` rows.
struct BatchMetrics {
  double loss_sum = 0;
  std::int64_t top1 = 0;
  std::int64_t top5 = 0;
  bool finite = true;
};
// Reads logits, losses and labels of a program that has just run, into memory that it keeps from batch to
// batch.
class MetricsReader {
 public:
  // A tie with the label's score counts against it, so that a network whose outputs are all equal is not
  // called right.
  [[nodiscard]] BatchMetrics read(Program& program, Stream& stream, std::int64_t samples);

 private:
  std::vector<std::byte> logits_;
  std::vector<std::byte> losses_;
  std::vector<std::int32_t> labels_;
};

// Of the averaged weights, where the model keeps them.
class Evaluator {
 public:
  // With a communicator each of its processes looks at a part of the set, and all get the same result.
  Evaluator(Model& model, Arena& arena, Stream& stream, std::int64_t batch, Precision precision,
            Communicator* communicator = nullptr);
  // Compiles anew when the model was changed since the last call.
  [[nodiscard]] Evaluation run(BatchSource& source);

 private:
  Model& model_;
  Arena& arena_;
  Stream& stream_;
  std::int64_t batch_;
  MetricsReader metrics_;
  Precision precision_;
  Communicator* communicator_;
  std::unique_ptr<Program> program_;
  std::int64_t generation_ = -1;
};

}  // namespace secateur
