// What a channel touches: the rows of its producers, their biases and batch norms, and the columns of
// whatever reads it; a dependency group of DepGraph (Fang et al. 2023).
#pragma once

#include <vector>

#include "secateur/core/device.h"
#include "secateur/graph/channel_space.h"
#include "secateur/prune/statistics.h"
#include "secateur/runtime/model.h"

namespace secateur {

// Fills SpaceStatistics::coupled of every listed space: one entry a trained parameter and side, in graph
// order. Several lanes of one channel (behind a flatten) add up. A depthwise filter, which makes the channel
// that it reads, counts once, as a row.
void measure_coupled(const Model& model, Stream& stream, const ChannelSpaces& spaces,
                     std::vector<SpaceStatistics>& statistics);

}  // namespace secateur
