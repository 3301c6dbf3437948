#include "secateur/prune/scorer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>

#include "prune/coupled.h"
#include "prune/criterion_choice.h"
#include "prune/map_sums.h"
#include "prune/weight_gradients.h"
#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"
#include "secateur/prune/taps.h"

namespace secateur {
namespace {

std::vector<double> gathered(const std::vector<double>& values, const std::vector<std::int64_t>& places) {
  std::vector<double> result;
  for (const std::int64_t place : places) result.push_back(values[static_cast<std::size_t>(place)]);
  return result;
}

// The filter matrix of a producer: its parameter of kind weight.
std::int64_t weight_of(const Model& model, NodeId node) {
  for (const std::int64_t p : model.layout().of_node[static_cast<std::size_t>(node)]) {
    if (model.parameters()[static_cast<std::size_t>(p)].spec.kind == ParameterKind::weight) return p;
  }
  fail("'{}' makes channels but has no weights to score them by", model.graph().node(node).name);
}

// The taps of all spaces, each node once, and how each space reads them.
struct TapList {
  std::vector<NodeId> nodes;
  std::vector<TapView> views;
};

TapList list_taps(const Graph& graph, const ChannelSpaces& spaces,
                  const std::vector<SpaceStatistics>& measured, TapStage stage) {
  TapList list;
  for (std::size_t s = 0; s < measured.size(); ++s) {
    for (Tap& tap : taps_of(graph, spaces, measured[s].space, stage)) {
      const auto known = std::ranges::find(list.nodes, tap.node);
      TapView view{s, static_cast<std::size_t>(known - list.nodes.begin()), std::move(tap.lanes), true};
      if (known == list.nodes.end()) list.nodes.push_back(tap.node);
      for (std::size_t i = 1; i < view.lanes.size(); ++i) {
        view.contiguous = view.contiguous && view.lanes[i] == view.lanes[i - 1] + 1;
      }
      list.views.push_back(std::move(view));
    }
  }
  return list;
}

bool reads_maps(const CriterionNeeds& n) {
  return n.redundancy || n.pairwise || n.gradients || n.activations || n.map_ranks || n.map_entropies;
}

bool differentiates_weights(const CriterionNeeds& n) { return n.weight_gradients || n.weight_fisher; }

}  // namespace

Scorer::Scorer(Model& model, Arena& arena, Stream& stream, ScorerOptions options)
    : model_(model), arena_(arena), stream_(stream), options_(options) {
  require(options.images >= 1 && options.batch >= 1,
          "the sample and its batches hold at least one image, got {} and {}", options.images, options.batch);
}

std::vector<SpaceStatistics> Scorer::measure(std::span<const std::int64_t> spaces, CriterionNeeds needs,
                                             bool pairwise, BatchSource& sample, std::int64_t round) {
  const ChannelSpaces all(model_.graph());
  std::vector<SpaceStatistics> statistics;
  for (const std::int64_t index : spaces) {
    const ChannelSpace& space = all.space(index);
    SpaceStatistics& s = statistics.emplace_back();
    s.name = space.name;
    s.space = index;
    s.width = space.width;
    s.groups = space.groups;
    for (const SpaceProducer& producer : space.producers) {
      s.producers.emplace_back().node = model_.graph().node(producer.node).name;
    }
  }
  if (needs.filter_norms) measure_filters(all, statistics);
  if (needs.filters || differentiates_weights(needs)) read_filters(all, statistics);
  if (needs.coupled) measure_coupled(model_, stream_, all, statistics);
  if (needs.norm_scales) measure_norm_scales(all, statistics);
  if (reads_maps(needs) || differentiates_weights(needs)) {
    measure_maps(all, needs, needs.pairwise || (pairwise && needs.redundancy), sample, round, statistics);
  }
  return statistics;
}

void Scorer::measure_filters(const ChannelSpaces& spaces, std::vector<SpaceStatistics>& statistics) {
  struct Row {
    const SpaceProducer* producer;
    FilterStatistics* target;
    std::vector<double> l1, l2;
  };
  std::vector<Row> rows;
  for (SpaceStatistics& s : statistics) {
    const ChannelSpace& space = spaces.space(s.space);
    for (std::size_t p = 0; p < space.producers.size(); ++p) {
      rows.push_back({&space.producers[p], &s.producers[p], {}, {}});
    }
  }
  std::vector<NormRequest> l1;
  std::vector<NormRequest> l2;
  for (Row& row : rows) {
    const Tensor weights = model_.value(weight_of(model_, row.producer->node));
    const auto filters = static_cast<std::size_t>(weights.shape[0]);
    row.l1.resize(filters);
    row.l2.resize(filters);
    row.target->weights_per_filter = weights.count() / weights.shape[0];
    l1.push_back({weights, row.l1.data()});
    l2.push_back({weights, row.l2.data()});
  }
  Primitives& primitives = primitives_of(model_.device().kind());
  primitives.filter_norms(stream_, FilterNorm::l1, l1);
  primitives.filter_norms(stream_, FilterNorm::l2, l2);
  for (const Row& row : rows) {
    row.target->l1 = gathered(row.l1, row.producer->channels);
    row.target->l2 = gathered(row.l2, row.producer->channels);
  }
}

void Scorer::read_filters(const ChannelSpaces& spaces, std::vector<SpaceStatistics>& statistics) {
  for (SpaceStatistics& s : statistics) {
    const ChannelSpace& space = spaces.space(s.space);
    for (std::size_t p = 0; p < space.producers.size(); ++p) {
      const std::int64_t parameter = weight_of(model_, space.producers[p].node);
      const std::vector<double> all = model_.read(parameter, stream_);
      const Tensor weights = model_.value(parameter);
      FilterStatistics& target = s.producers[p];
      target.weights_per_filter = weights.count() / weights.shape[0];
      for (const std::int64_t channel : space.producers[p].channels) {
        const auto first = all.begin() + channel * target.weights_per_filter;
        target.weights.insert(target.weights.end(), first, first + target.weights_per_filter);
      }
    }
  }
}

void Scorer::measure_norm_scales(const ChannelSpaces& spaces, std::vector<SpaceStatistics>& statistics) {
  for (SpaceStatistics& s : statistics) {
    for (const Tap& tap : normalizations_of(model_.graph(), spaces, s.space)) {
      for (const std::int64_t p : model_.layout().of_node[static_cast<std::size_t>(tap.node)]) {
        if (model_.parameters()[static_cast<std::size_t>(p)].spec.kind != ParameterKind::norm_scale) continue;
        std::vector<double>& scales =
            s.norm_scales.emplace_back(gathered(model_.read(p, stream_), tap.lanes));
        for (double& scale : scales) scale = std::abs(scale);
      }
    }
  }
}

void Scorer::measure_maps(const ChannelSpaces& spaces, CriterionNeeds needs, bool pairwise,
                          BatchSource& sample, std::int64_t round, std::vector<SpaceStatistics>& statistics) {
  require(sample.size() >= 1, "there are no images to score with");
  const std::int64_t images = std::min(options_.images, sample.size());
  // A batch's gradient is a sum over its images, which their squares cannot be had from.
  const std::int64_t batch = needs.weight_fisher ? 1 : std::min(options_.batch, images);
  const bool backward = needs.gradients || differentiates_weights(needs);
  TapList taps;
  if (reads_maps(needs)) taps = list_taps(model_.graph(), spaces, statistics, options_.taps);
  MapSums sums(model_.device(), stream_, options_, needs, pairwise, std::move(taps.views), statistics);
  WeightGradientSums weight_sums(model_, stream_, spaces, needs, statistics);

  const auto program_of = [&](std::int64_t size) {
    return std::make_unique<Program>(
        model_, arena_, stream_,
        ProgramOptions{.batch = size,
                       .mode = backward ? ProgramMode::score_gradients : ProgramMode::score,
                       .precision = options_.precision,
                       .with_loss = true,
                       .taps = taps.nodes});
  };
  sample.begin_epoch(round);
  std::unique_ptr<Program> program = program_of(batch);
  planned_bytes_ = program->planned_bytes();
  const Share share = share_of(images, options_.communicator);
  for (std::int64_t done = 0; done < share.count; done += batch) {
    const std::int64_t first = share.first + done;
    const std::int64_t count = std::min(batch, share.count - done);
    if (count < program->batch()) program = program_of(count);
    const StepState state{.samples = count};
    sample.fill(first, count, stream_, program->images(), program->labels());
    program->forward(state);
    if (backward) program->backward(state);
    sums.add(*program, count);
    weight_sums.add(count);
  }
  if (options_.communicator != nullptr) {
    sums.share(*options_.communicator);
    weight_sums.share(*options_.communicator);
  }
  sums.finish(images, statistics);
  weight_sums.finish(images, statistics);
}

void Scorer::choose(const Criterion& criterion, const CriterionContext& context, double rate,
                    BatchSource& sample, std::vector<SpaceStatistics>& statistics) {
  constexpr std::int64_t kPasses = 20;
  constexpr double kWarm = 5.0;
  constexpr double kCold = 0.1;
  require(sample.size() >= 1, "there are no images to score with");
  const std::int64_t images = std::min(options_.images, sample.size());
  const std::int64_t batch = std::min(options_.batch, images);
  std::vector<ChoiceMasks> masks;
  for (const SpaceStatistics& s : statistics) {
    ChoiceMasks& of_space = masks.emplace_back();
    of_space.space = s.space;
    for (const std::vector<double>& scores : criterion.candidates(s, context)) {
      of_space.of_candidate.push_back(mask_of_scores(scores, rate));
    }
  }
  Program program(model_, arena_, stream_,
                  {.batch = batch,
                   .mode = ProgramMode::score_gradients,
                   .precision = options_.precision,
                   .with_loss = true});
  CriterionChoice choice(model_, stream_, std::move(masks), context.seed, context.round);
  sample.begin_epoch(context.round);
  const std::int64_t batches = images / batch;  // whole ones
  const StepState state{.samples = batch};
  for (std::int64_t step = 0; step < kPasses * batches; ++step) {
    // From almost even mixtures to almost hard ones.
    const double done = static_cast<double>(step) / static_cast<double>(kPasses * batches);
    choice.gate(kCold + (kWarm - kCold) * 0.5 * (1 + std::cos(std::numbers::pi * done)));
    sample.fill(step % batches * batch, batch, stream_, program.images(), program.labels());
    program.forward(state);
    program.backward(state);
    choice.learn();
  }
  const std::vector<std::int64_t> chosen = choice.chosen();
  for (std::size_t s = 0; s < statistics.size(); ++s) statistics[s].chosen = chosen[s];
}

}  // namespace secateur
