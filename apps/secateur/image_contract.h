// What a stored network expects of its images, and what its answers are called.
#pragma once

#include <string>
#include <vector>

#include "secateur/data/dataset.h"
#include "secateur/io/state_tree.h"
#include "secateur/session.h"

namespace secateur::app {

struct ImageContract {
  data::ChannelStatistics statistics;    // (pixel / 255 - mean) / deviation; empty: pixel / 255
  std::vector<std::string> class_names;  // empty: not known

  [[nodiscard]] std::string class_name(std::int64_t index) const;
  void save(StateWriter writer) const;
};

// "imagenet", "cifar10", "cifar100" or "none"; throws Error for another name.
[[nodiscard]] data::ChannelStatistics statistics_called(const std::string& name);

[[nodiscard]] ImageContract contract_of(const data::ImageSet& set);
// What stands in the file; in one that does not have it, what follows from the data set that the network
// was trained on.
[[nodiscard]] ImageContract contract_of(const LoadedModel& loaded);

}  // namespace secateur::app
