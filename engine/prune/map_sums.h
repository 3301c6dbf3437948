// Sums over the feature maps of one scoring pass, one set of slots a space: on the device where a primitive
// computes them, on the host for what only some options need.
#pragma once

#include <cstdint>
#include <vector>

#include "secateur/backend/primitives.h"
#include "secateur/core/slab.h"
#include "secateur/dist/communicator.h"
#include "secateur/prune/scorer.h"
#include "secateur/prune/taps.h"

namespace secateur {

// A tap as the primitives can read it: the members' lanes side by side.
struct TapView {
  std::size_t space = 0;        // which of the spaces that are measured
  std::size_t program_tap = 0;  // index among the program's taps
  std::vector<std::int64_t> lanes;
  bool contiguous = true;  // lanes[i] = lanes[0] + i
};

class MapSums {
 public:
  MapSums(Device& device, Stream& stream, const ScorerOptions& options, CriterionNeeds needs, bool pairwise,
          std::vector<TapView> views, const std::vector<SpaceStatistics>& spaces);

  // Adds what `program`, which has just run on `images` images, shows at its taps.
  void add(Program& program, std::int64_t images);
  // The sums become those of all processes, each of which added images of its own.
  void share(Communicator& communicator);
  // Writes the means over `images` images into the statistics.
  void finish(std::int64_t images, std::vector<SpaceStatistics>& spaces);

 private:
  struct Slots {
    std::int64_t width = 0;
    std::int64_t taps = 0;
    std::int64_t offset = 0;  // doubles from the start of either sum
    std::vector<double> pairwise;
    std::vector<double> taylor;
    std::vector<double> zeros;  // parts, and means, of each map; summed
    std::vector<double> means;
    std::vector<double> ranks;
    std::vector<double> entropies;
  };
  [[nodiscard]] Tensor members_of(const TapView& view, const Tensor& maps);
  void add_redundancy(const TapView& view, const Tensor& maps, std::int64_t images);
  void add_pairwise(const TapView& view, const Tensor& maps, std::int64_t images);
  void add_activations(const TapView& view, const Tensor& maps, std::int64_t images);
  void add_measures(const TapView& view, const Tensor& maps, std::int64_t images);
  void add_taylor(const TapView& view, const Tensor& maps, const Tensor& gradients, std::int64_t images);

  Device& device_;
  Stream& stream_;
  CorrelationKind kind_;
  CriterionNeeds needs_;
  bool pairwise_;
  std::vector<TapView> views_;
  std::vector<Slots> slots_;
  std::int64_t slot_count_ = 0;
  Slab sums_;     // redundancy sums, then counts of constant images
  Slab scratch_;  // members gathered from scattered lanes
};

}  // namespace secateur
