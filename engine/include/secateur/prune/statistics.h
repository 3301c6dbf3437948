// What a scoring pass found out about one channel space: what criteria read. Everything is per member of the
// space, on the host, in float64.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "secateur/graph/op.h"

namespace secateur {

// One producer's filters, in the order of the members.
struct FilterStatistics {
  std::string node;
  std::int64_t weights_per_filter = 0;  // Cin * kH * kW with Cin as it is now
  std::vector<double> l1;               // sum |w|; divided by weights_per_filter it is Eq. 2
  std::vector<double> l2;               // sqrt(sum w^2)
  std::vector<double> weights = {};     // members x weights_per_filter; only where they were asked for
  // As `weights`: gradients of the mean loss over the sample, and the mean over the images of the squares of
  // the gradients of each one's loss (the diagonal of the empirical Fisher matrix).
  std::vector<double> gradients = {};
  std::vector<double> squared_gradients = {};
  std::vector<std::vector<double>> l1_history = {};  // l1 after each epoch since the last removal
};

// One parameter that the channels of a space touch, seen from one side: as rows of the node whose output they
// are (filters, batch norm, biases), or as columns of a node that reads them.
struct CoupledStatistics {
  std::string parameter;
  ParameterKind kind = ParameterKind::weight;
  bool reads = false;           // columns
  std::vector<double> squares;  // sum w^2 over what a channel touches here
};

struct SpaceStatistics {
  std::string name;
  std::int64_t space = -1;  // index in ChannelSpaces
  std::int64_t width = 0;
  std::int64_t groups = 1;

  std::vector<FilterStatistics> producers;
  std::vector<std::vector<double>> norm_scales;  // |gamma| of each normalisation after a producer
  std::vector<CoupledStatistics> coupled;
  std::int64_t chosen = -1;  // index among the criterion's candidates; -1 where none was chosen

  std::int64_t images = 0;
  std::int64_t taps = 0;
  std::vector<double> redundancy;  // S_PC of Eq. 10, averaged over images and taps; 0 where the width is 1
  std::vector<double> constant_images;  // part of the images, over all taps, on which the map was constant
  std::vector<double> taylor;  // mean over images and taps of |mean over positions of activation * gradient|
  // Over images, positions and taps: part that is exactly zero, and mean.
  std::vector<double> zero_fraction;
  std::vector<double> mean_activation;
  // Means over images and taps: rank of a map [H, W] as a matrix, entropy of its values in 64 bins (bits).
  std::vector<double> map_rank;
  std::vector<double> map_entropy;
  // Mean over images and taps of rho (or |rho|, rho^2) of every pair, width x width; only where it was asked
  // for.
  std::vector<double> pairwise;
};

// The statistics of the members that remain when others are gone: redundancy is taken over the survivors
// alone (needs `pairwise`).
[[nodiscard]] SpaceStatistics restricted(const SpaceStatistics& all,
                                         const std::vector<std::int64_t>& members);

// Eq. 12: (x - min) / (max - min); zeros where all are equal.
[[nodiscard]] std::vector<double> min_max_normalized(const std::vector<double>& values);

}  // namespace secateur
