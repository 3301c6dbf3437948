// Scores of a small network written to the letter of Eqs. 1-13 in float64, every pair of maps by itself, and
// what a Scorer makes of the same images.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "secateur/core/rng.h"
#include "secateur/prune/scope.h"
#include "secateur/prune/scorer.h"
#include "secateur/prune/taps.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur::test {

using selftest::WholeModel;
using Map = std::vector<double>;

// Eqs. 5-8: the map between its least and its largest value, in [0, 1].
inline Map scaled(const Map& map) {
  const auto [low, high] = std::ranges::minmax(map);
  Map result;
  for (const double value : map) result.push_back(high > low ? (value - low) / (high - low) : 0.0);
  return result;
}

// Eq. 9: the sample correlation; 0 with a constant map.
inline double pearson(const Map& a, const Map& b) {
  const auto n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t t = 0; t < a.size(); ++t) {
    ab += (a[t] - mean_a) * (b[t] - mean_b);
    aa += (a[t] - mean_a) * (a[t] - mean_a);
    bb += (b[t] - mean_b) * (b[t] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0.0;
}

inline double reduced(CorrelationKind kind, double rho) {
  if (kind == CorrelationKind::absolute_mean) return std::abs(rho);
  return kind == CorrelationKind::squared_mean ? rho * rho : rho;
}

// Eq. 12.
inline std::vector<double> normalized(std::vector<double> values) {
  const auto [low, high] = std::ranges::minmax(values);
  for (double& value : values) value = high > low ? (value - low) / (high - low) : 0.0;
  return values;
}

// maps[image][channel] of a tap's listed lanes.
inline std::vector<std::vector<Map>> maps_of(const Tensor& tensor, const std::vector<std::int64_t>& lanes,
                                             Stream& stream) {
  const std::vector<double> values = read_values(tensor, stream);
  const std::int64_t positions = tensor.shape[1] * tensor.shape[2];
  std::vector<std::vector<Map>> maps;
  for (std::int64_t n = 0; n < tensor.shape[0]; ++n) {
    std::vector<Map>& image = maps.emplace_back();
    for (const std::int64_t lane : lanes) {
      Map& map = image.emplace_back();
      for (std::int64_t t = 0; t < positions; ++t) {
        map.push_back(values[static_cast<std::size_t>((n * positions + t) * tensor.channels() + lane)]);
      }
    }
  }
  return maps;
}

struct Scoring {
  WholeModel whole;
  selftest::NoiseSource source;
  std::int64_t images;
  Scoring(Graph graph, DeviceKind kind, std::int64_t n = 7)
      : whole(std::move(graph), kind), source(whole.model.graph().shape(0), 4, 64, 3), images(n) {
    // Away from the start values, so that every channel's scale and shift count.
    for (std::int64_t p = 0; p < static_cast<std::int64_t>(whole.model.parameters().size()); ++p) {
      const ParameterKind kind_of = whole.model.parameters()[static_cast<std::size_t>(p)].spec.kind;
      if (kind_of != ParameterKind::norm_scale && kind_of != ParameterKind::norm_shift) continue;
      RandomSequence random(5, RngPurpose::test, static_cast<std::uint32_t>(p));
      std::vector<double> values = whole.model.read(p, *whole.stream);
      for (double& value : values) value += 0.3 * random.normal();
      whole.model.write(p, values, *whole.stream);
    }
  }

  ScorerOptions options(std::int64_t batch = 3, CorrelationKind kind = CorrelationKind::signed_mean,
                        TapStage taps = TapStage::relu) const {
    return {.images = images, .batch = batch, .precision = whole.precision, .taps = taps, .redundancy = kind};
  }

  std::vector<std::int64_t> prunable() const {
    return prunable_spaces(whole.model.graph(), ChannelSpaces(whole.model.graph()), PruneScope::all, {});
  }

  std::vector<SpaceStatistics> measure(const ScorerOptions& o, CriterionNeeds needs, bool pairwise = false) {
    Scorer scorer(whole.model, whole.arena, *whole.stream, o);
    return scorer.measure(prunable(), needs, pairwise, source, 2);
  }

  // Every image's maps at every tap of a space, the whole sample at once: [tap][image][channel].
  std::vector<std::vector<std::vector<Map>>> maps_at_taps(std::int64_t space, TapStage stage) {
    const Graph& graph = whole.model.graph();
    const ChannelSpaces spaces(graph);
    const auto taps = taps_of(graph, spaces, space, stage);
    std::vector<NodeId> nodes;
    for (const Tap& tap : taps) nodes.push_back(tap.node);
    Program program(whole.model, whole.arena, *whole.stream,
                    {.batch = images,
                     .mode = ProgramMode::score,
                     .precision = whole.precision,
                     .with_loss = true,
                     .taps = nodes,
                     .fuse = false});
    source.begin_epoch(2);
    source.fill(0, images, *whole.stream, program.images(), program.labels());
    program.forward({});
    std::vector<std::vector<std::vector<Map>>> result;
    for (std::size_t i = 0; i < taps.size(); ++i)
      result.push_back(maps_of(program.tap(i), taps[i].lanes, *whole.stream));
    return result;
  }

  // Eqs. 5-10, every pair of maps by itself.
  std::vector<double> redundancy(std::int64_t space, CorrelationKind kind, TapStage stage) {
    const auto taps = maps_at_taps(space, stage);
    const std::size_t width = taps.front().front().size();
    std::vector<double> result(width, 0.0);
    for (const auto& images_of_tap : taps) {
      for (const std::vector<Map>& image : images_of_tap) {
        for (std::size_t f = 0; f < result.size(); ++f) {
          for (std::size_t k = 0; k < result.size(); ++k) {
            if (f != k) result[f] += reduced(kind, pearson(scaled(image[f]), scaled(image[k])));
          }
        }
      }
    }
    for (double& value : result) {
      value = width > 1 ? value / static_cast<double>(images) / static_cast<double>(taps.size()) /
                              static_cast<double>(width - 1)
                        : 0.0;
    }
    return result;
  }

  // Eqs. 1, 2 and 12, over the producers of a space: each normalised, then averaged, then normalised.
  std::vector<double> magnitude(std::int64_t index) {
    const ChannelSpace space = ChannelSpaces(whole.model.graph()).space(index);
    std::vector<double> sum(static_cast<std::size_t>(space.width), 0.0);
    for (const SpaceProducer& producer : space.producers) {
      const std::int64_t p =
          whole.model.find_parameter(whole.model.graph().node(producer.node).name + ".weight");
      const std::vector<double> weights = whole.model.read(p, *whole.stream);
      const std::int64_t rows = whole.model.parameters()[static_cast<std::size_t>(p)].spec.shape[0];
      const std::size_t length = weights.size() / static_cast<std::size_t>(rows);
      std::vector<double> means;
      for (const std::int64_t channel : producer.channels) {
        double l1 = 0;
        for (std::size_t i = 0; i < length; ++i)
          l1 += std::abs(weights[static_cast<std::size_t>(channel) * length + i]);
        means.push_back(l1 / static_cast<double>(length));
      }
      means = normalized(means);
      for (std::size_t i = 0; i < sum.size(); ++i)
        sum[i] += means[i] / static_cast<double>(space.producers.size());
    }
    return normalized(sum);
  }
};

inline void expect_near(const std::vector<double>& found, const std::vector<double>& expected,
                        double tolerance, const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], tolerance) << what << " " << i;
}

inline void set(WholeModel& whole, const std::string& parameter, std::size_t index, double value) {
  const std::int64_t p = whole.model.find_parameter(parameter);
  std::vector<double> values = whole.model.read(p, *whole.stream);
  values.at(index) = value;
  whole.model.write(p, values, *whole.stream);
}

inline double get(WholeModel& whole, const std::string& parameter, std::size_t index) {
  return whole.model.read(whole.model.find_parameter(parameter), *whole.stream).at(index);
}

}  // namespace secateur::test
