// NormHistory: the sum of |w| of every filter after each epoch since the last removal, for criteria that look
// at how filters move (CriterionNeeds::norm_history).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "secateur/core/device.h"
#include "secateur/graph/channel_space.h"
#include "secateur/io/state_tree.h"
#include "secateur/prune/statistics.h"
#include "secateur/runtime/model.h"

namespace secateur {

class NormHistory {
 public:
  // Adds an epoch: the norms of all filters as they are.
  void record(const Model& model, const ChannelSpaces& spaces, Stream& stream);
  // After a removal: what was recorded is of other filters.
  void clear() { of_node_.clear(); }

  // Fills l1_history of every producer of the listed spaces; leaves it empty where nothing was recorded.
  void fill(const ChannelSpaces& spaces, std::vector<SpaceStatistics>& statistics) const;

  void save(StateWriter writer) const;
  void restore(const StateReader& reader);

 private:
  // By the producer's name: one list an epoch, one value an output channel.
  std::map<std::string, std::vector<std::vector<double>>> of_node_;
};

}  // namespace secateur
