// Gradients of the producers' weights over one scoring pass, added up on the host: memory depends on the
// network alone, not on the number of images.
#pragma once

#include <cstdint>
#include <vector>

#include "secateur/core/device.h"
#include "secateur/dist/communicator.h"
#include "secateur/graph/channel_space.h"
#include "secateur/prune/criterion.h"
#include "secateur/prune/statistics.h"
#include "secateur/runtime/model.h"

namespace secateur {

class WeightGradientSums {
 public:
  // Of the producers of the listed spaces, each once; nothing where the needs name no gradients of weights.
  // The model, the spaces and the stream must outlive the sums.
  WeightGradientSums(const Model& model, Stream& stream, const ChannelSpaces& spaces, CriterionNeeds needs,
                     const std::vector<SpaceStatistics>& statistics);

  // After a backward pass over `images` images whose loss is their mean. Squares are those of one image's
  // gradient: with CriterionNeeds::weight_fisher every pass is over one.
  void add(std::int64_t images);
  // The sums become those of all processes, each of which added images of its own.
  void share(Communicator& communicator);
  // Writes the means over `images` images into the statistics of the producers.
  void finish(std::int64_t images, std::vector<SpaceStatistics>& statistics) const;

 private:
  struct Sums {
    std::int64_t parameter = -1;
    std::vector<double> gradients;
    std::vector<double> squares;
  };
  [[nodiscard]] const Sums& sums_of(NodeId node) const;

  const Model& model_;
  Stream& stream_;
  const ChannelSpaces& spaces_;
  CriterionNeeds needs_;
  std::vector<Sums> sums_;
};

}  // namespace secateur
