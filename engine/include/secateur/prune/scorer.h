// Scorer: one streaming pass over a sample of images that measures what criteria read. Sums stay on the
// device while the sample goes by in batches, so that memory does not grow with its size; everything is
// measured with running statistics.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "secateur/graph/channel_space.h"
#include "secateur/prune/criterion.h"
#include "secateur/prune/prune_options.h"
#include "secateur/prune/statistics.h"
#include "secateur/runtime/program.h"
#include "secateur/train/batch_source.h"

namespace secateur {

struct ScorerOptions {
  std::int64_t images = 256;  // N; all there are where there are fewer
  std::int64_t batch = 64;
  Precision precision = Precision::fp32;
  TapStage taps = TapStage::relu;
  CorrelationKind redundancy = CorrelationKind::signed_mean;
  // The processes that share the sample: each measures a part, and all get the statistics of the whole.
  Communicator* communicator = nullptr;
};

class Scorer {
 public:
  // Model, arena and stream must outlive the scorer.
  Scorer(Model& model, Arena& arena, Stream& stream, ScorerOptions options);

  // Statistics of the listed spaces of the model as it is now. The sample is the first N images of epoch
  // `round` of the source: one that shuffles without augmenting draws a new sample without replacement each
  // round. Weights alone are read without any image. `pairwise`: with the redundancy the correlation of every
  // pair too, computed on the host (slow, C x C a space).
  [[nodiscard]] std::vector<SpaceStatistics> measure(std::span<const std::int64_t> spaces,
                                                     CriterionNeeds needs, bool pairwise, BatchSource& sample,
                                                     std::int64_t round);

  // Learns which of the criterion's candidates each space is pruned by at `rate` of its channels, and writes
  // it into the statistics (CriterionNeeds::choice). The sample is that of measure(), gone through twenty
  // times forward and backward, by every process as a whole; the model's weights are as before afterwards.
  void choose(const Criterion& criterion, const CriterionContext& context, double rate, BatchSource& sample,
              std::vector<SpaceStatistics>& statistics);

  // Of the last pass's programs; 0 before one.
  [[nodiscard]] std::int64_t planned_bytes() const { return planned_bytes_; }

 private:
  void measure_filters(const ChannelSpaces& spaces, std::vector<SpaceStatistics>& statistics);
  void read_filters(const ChannelSpaces& spaces, std::vector<SpaceStatistics>& statistics);
  void measure_norm_scales(const ChannelSpaces& spaces, std::vector<SpaceStatistics>& statistics);
  void measure_maps(const ChannelSpaces& spaces, CriterionNeeds needs, bool pairwise, BatchSource& sample,
                    std::int64_t round, std::vector<SpaceStatistics>& statistics);

  Model& model_;
  Arena& arena_;
  Stream& stream_;
  ScorerOptions options_;
  std::int64_t planned_bytes_ = 0;
};

}  // namespace secateur
