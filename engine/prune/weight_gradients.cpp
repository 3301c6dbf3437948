#include "prune/weight_gradients.h"

#include <algorithm>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"

namespace secateur {
namespace {

// Rows of the members, divided by the number of images.
std::vector<double> mean_rows(const std::vector<double>& sums, const std::vector<std::int64_t>& channels,
                              std::int64_t length, std::int64_t images) {
  std::vector<double> rows;
  if (sums.empty()) return rows;
  rows.reserve(channels.size() * static_cast<std::size_t>(length));
  for (const std::int64_t channel : channels) {
    const auto first = sums.begin() + channel * length;
    rows.insert(rows.end(), first, first + length);
  }
  for (double& value : rows) value /= static_cast<double>(images);
  return rows;
}

}  // namespace

WeightGradientSums::WeightGradientSums(const Model& model, Stream& stream, const ChannelSpaces& spaces,
                                       CriterionNeeds needs, const std::vector<SpaceStatistics>& statistics)
    : model_(model), stream_(stream), spaces_(spaces), needs_(needs) {
  if (!needs.weight_gradients && !needs.weight_fisher) return;
  for (const SpaceStatistics& s : statistics) {
    for (const SpaceProducer& producer : spaces.space(s.space).producers) {
      for (const std::int64_t p : model.layout().of_node[static_cast<std::size_t>(producer.node)]) {
        if (model.parameters()[static_cast<std::size_t>(p)].spec.kind != ParameterKind::weight) continue;
        if (std::ranges::find(sums_, p, &Sums::parameter) != sums_.end()) continue;
        const auto count = static_cast<std::size_t>(model.value(p).count());
        Sums& sums = sums_.emplace_back();
        sums.parameter = p;
        if (needs.weight_gradients) sums.gradients.assign(count, 0.0);
        if (needs.weight_fisher) sums.squares.assign(count, 0.0);
      }
    }
  }
}

void WeightGradientSums::add(std::int64_t images) {
  require(!needs_.weight_fisher || images == 1, "squares of gradients are taken image by image, got {}",
          images);
  for (Sums& sums : sums_) {
    const std::vector<double> gradient = read_values(model_.gradient(sums.parameter), stream_);
    // The loss that was differentiated is the batch's mean; here every image counts alike.
    for (std::size_t i = 0; i < sums.gradients.size(); ++i) {
      sums.gradients[i] += gradient[i] * static_cast<double>(images);
    }
    for (std::size_t i = 0; i < sums.squares.size(); ++i) sums.squares[i] += gradient[i] * gradient[i];
  }
}

void WeightGradientSums::share(Communicator& communicator) {
  for (Sums& sums : sums_) {
    communicator.sum(sums.gradients);
    communicator.sum(sums.squares);
  }
}

const WeightGradientSums::Sums& WeightGradientSums::sums_of(NodeId node) const {
  const auto found = std::ranges::find_if(sums_, [&](const Sums& sums) {
    return model_.parameters()[static_cast<std::size_t>(sums.parameter)].node == node;
  });
  require(found != sums_.end(), "'{}' makes channels but has no weights to score them by",
          model_.graph().node(node).name);
  return *found;
}

void WeightGradientSums::finish(std::int64_t images, std::vector<SpaceStatistics>& statistics) const {
  if (!needs_.weight_gradients && !needs_.weight_fisher) return;
  for (SpaceStatistics& s : statistics) {
    s.images = images;
    const ChannelSpace& space = spaces_.space(s.space);
    for (std::size_t p = 0; p < space.producers.size(); ++p) {
      const SpaceProducer& producer = space.producers[p];
      const Sums& sums = sums_of(producer.node);
      FilterStatistics& target = s.producers[p];
      target.gradients = mean_rows(sums.gradients, producer.channels, target.weights_per_filter, images);
      target.squared_gradients =
          mean_rows(sums.squares, producer.channels, target.weights_per_filter, images);
    }
  }
}

}  // namespace secateur
