// hbfp: the regulariser of history-based filter pruning (Basha et al. 2024), from their description. The
// filters of a layer whose l1 norms n ran most alike over the epochs form pairs, and strength * sum of
// |n_i - n_j| over the pairs is added to the loss, so that of two filters that have become one the removal
// takes one. Its gradient for a weight w of filter i is strength * sum over its pairs of sign(n_i - n_j) *
// sign(w): an l1 term with a coefficient of its own for each filter, which changes sign where a pair meets
// and is therefore taken anew in every step.
#include <algorithm>
#include <cmath>
#include <utility>

#include "prune/criteria/set_selectors.h"
#include "prune/hooks/hooks.h"
#include "prune/norm_distances.h"
#include "secateur/backend/primitives.h"
#include "secateur/graph/channel_space.h"
#include "secateur/prune/norm_history.h"
#include "secateur/prune/scope.h"

namespace secateur {
namespace {

class HbfpHook final : public TrainHook {
 public:
  explicit HbfpHook(const PruneOptions& options)
      : strength_(options.sparsity), part_(options.rate), scope_(options.scope), keep_(options.keep) {}

  void begin_epoch(Model& model, const HookPlace& place, Stream& stream) override {
    if (place.epoch == 0) history_.clear();
    const ChannelSpaces spaces(model.graph());
    history_.record(model, spaces, stream);
    pair_filters(model, spaces);
  }
  // The history that the pairs follow from was restored.
  void resume_epoch(Model& model, const HookPlace& /*place*/, Stream& /*stream*/) override {
    pair_filters(model, ChannelSpaces(model.graph()));
  }

  bool edits_every_step() const override { return true; }
  void begin_step(Model& model, Stream& stream) override {
    std::vector<NormRequest> requests;
    for (PairedFilters& filters : paired_) {
      filters.norms.resize(static_cast<std::size_t>(filters.count));
      requests.push_back({model.value(filters.parameter), filters.norms.data()});
    }
    primitives_of(model.device().kind()).filter_norms(stream, FilterNorm::l1, requests);
    for (PairedFilters& filters : paired_) {
      filters.slopes.assign(filters.norms.size(), 0.0);
      for (const auto& [a, b] : filters.pairs) {
        const double difference = filters.norms[a] - filters.norms[b];
        const double sign = difference > 0 ? 1.0 : difference < 0 ? -1.0 : 0.0;
        filters.slopes[a] += sign;
        filters.slopes[b] -= sign;
      }
    }
  }

  void edit(UpdateTerms& terms, const Model& /*model*/) override {
    std::vector<UpdateSegment> segments;
    for (const UpdateSegment& segment : terms.segments) {
      const auto of_segment = [&](const PairedFilters& filters) { return filters.offset == segment.offset; };
      const auto filters = std::ranges::find_if(paired_, of_segment);
      if (filters == paired_.end()) {
        segments.push_back(segment);
      } else {
        add_filters(segments, segment, *filters);
      }
    }
    terms.segments = std::move(segments);
  }

  // A writer is a handle. NOLINTNEXTLINE(performance-unnecessary-value-param)
  void save(StateWriter writer) const override { history_.save(writer.scope("norm_history")); }
  void restore(const StateReader& reader) override { history_.restore(reader.scope("norm_history")); }

 private:
  // The filters of one producer and those of its pairs, by their places in its weights.
  struct PairedFilters {
    std::int64_t parameter = 0;
    std::int64_t offset = 0;  // of the parameter in the slab
    std::int64_t count = 0;
    std::vector<std::pair<std::size_t, std::size_t>> pairs = {};
    std::vector<double> norms = {};   // in this step
    std::vector<double> slopes = {};  // of the sum over the pairs, by the filter's norm
  };

  void pair_filters(const Model& model, const ChannelSpaces& spaces) {
    std::vector<SpaceStatistics> statistics;
    for (const std::int64_t s : prunable_spaces(model.graph(), spaces, scope_, keep_)) {
      SpaceStatistics& entry = statistics.emplace_back();
      entry.space = s;
      entry.width = spaces.space(s).width;
      for (const SpaceProducer& producer : spaces.space(s).producers) {
        entry.producers.emplace_back().node = model.graph().node(producer.node).name;
      }
    }
    history_.fill(spaces, statistics);
    paired_.clear();
    for (const SpaceStatistics& entry : statistics) {
      auto pairs = sorted_pairs(norm_distances(entry).distances, static_cast<std::size_t>(entry.width));
      const auto wanted = static_cast<std::size_t>(std::lround(part_ * static_cast<double>(entry.width)));
      if (pairs.size() > wanted) pairs.resize(wanted);
      for (const SpaceProducer& producer : spaces.space(entry.space).producers) {
        add_pairs(model, producer, pairs);
      }
    }
  }

  // A producer whose channels lie in several spaces has pairs from each.
  void add_pairs(const Model& model, const SpaceProducer& producer, const std::vector<MemberPair>& pairs) {
    for (const std::int64_t p : model.layout().of_node[static_cast<std::size_t>(producer.node)]) {
      const Parameter& parameter = model.parameters()[static_cast<std::size_t>(p)];
      if (parameter.spec.kind != ParameterKind::weight) continue;
      auto filters = std::ranges::find(paired_, p, &PairedFilters::parameter);
      if (filters == paired_.end()) {
        filters = paired_.insert(paired_.end(), {p, parameter.offset, parameter.spec.shape[0]});
      }
      for (const MemberPair& pair : pairs) {
        filters->pairs.emplace_back(static_cast<std::size_t>(producer.channels[pair.a]),
                                    static_cast<std::size_t>(producer.channels[pair.b]));
      }
    }
  }

  // The segment of these filters in pieces of equal slope.
  void add_filters(std::vector<UpdateSegment>& segments, const UpdateSegment& whole,
                   const PairedFilters& filters) const {
    const std::int64_t filter_size = whole.count / filters.count;
    for (std::int64_t f = 0; f < filters.count; ++f) {
      const double l1 = whole.l1 + strength_ * filters.slopes[static_cast<std::size_t>(f)];
      if (f > 0 && segments.back().l1 == l1) {
        segments.back().count += filter_size;
      } else {
        segments.push_back({whole.offset + f * filter_size, filter_size, whole.weight_decay, l1});
      }
    }
  }

  double strength_;
  double part_;  // pairs of a space, as a part of its width
  PruneScope scope_;
  std::vector<std::string> keep_;
  NormHistory history_;  // since the round began
  std::vector<PairedFilters> paired_;
};

}  // namespace

std::unique_ptr<TrainHook> make_hbfp_hook(const PruneOptions& options) {
  return std::make_unique<HbfpHook>(options);
}

}  // namespace secateur
