#include "prune/criterion_choice.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"
#include "secateur/graph/op.h"

namespace secateur {
namespace {

constexpr double kLearningRate = 0.1;
constexpr double kMeanDecay = 0.9;
constexpr double kSquareDecay = 0.999;

std::vector<double> softmax(const std::vector<double>& values) {
  const double top = *std::ranges::max_element(values);
  std::vector<double> result;
  for (const double value : values) result.push_back(std::exp(value - top));
  const double sum = std::accumulate(result.begin(), result.end(), 0.0);
  for (double& value : result) value /= sum;
  return result;
}

}  // namespace

std::vector<double> mask_of_scores(const std::vector<double>& scores, double rate) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // Of equal scores the later one goes, as in the selection.
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return scores[a] != scores[b] ? scores[a] < scores[b] : a > b;
  });
  const auto count = static_cast<double>(scores.size());
  const auto dropped = static_cast<std::size_t>(std::min(std::round(rate * count), count - 1));
  std::vector<double> mask(scores.size(), 1.0);
  for (std::size_t i = 0; i < dropped; ++i) mask[order[i]] = 0.0;
  return mask;
}

CriterionChoice::CriterionChoice(Model& model, Stream& stream, std::vector<ChoiceMasks> spaces,
                                 std::uint64_t seed, std::int64_t round)
    : model_(model), stream_(stream), spaces_(std::move(spaces)), seed_(seed), round_(round) {
  const ChannelSpaces all(model.graph());
  for (std::size_t s = 0; s < spaces_.size(); ++s) {
    const ChannelSpace& space = all.space(spaces_[s].space);
    require(!spaces_[s].of_candidate.empty(), "there is nothing to choose from for '{}'", space.name);
    for (const std::vector<double>& mask : spaces_[s].of_candidate) {
      require(static_cast<std::int64_t>(mask.size()) == space.width,
              "a mask of '{}' has {} entries for {} channels", space.name, mask.size(), space.width);
    }
    Logits& logits = logits_.emplace_back();
    const std::size_t candidates = spaces_[s].of_candidate.size();
    logits.value.assign(candidates, 0.0);
    logits.mean.assign(candidates, 0.0);
    logits.square.assign(candidates, 0.0);
    list_rows(space, s);
  }
}

CriterionChoice::~CriterionChoice() {
  for (const Gated& gated : gated_) model_.write(gated.parameter, gated.original, stream_);
}

// A gate multiplies a producer's map: its batch norm's scale and shift where one follows at once, else the
// filters and biases themselves.
void CriterionChoice::list_rows(const ChannelSpace& space, std::size_t slot) {
  for (const SpaceProducer& producer : space.producers) {
    const std::vector<NodeId> consumers = model_.graph().consumers(producer.node);
    const bool norm = consumers.size() == 1 &&
                      find_op(model_.graph().node(consumers.front()).op).stage() == OpStage::normalization;
    add_rows(norm ? consumers.front() : producer.node, producer.channels, slot);
  }
}

void CriterionChoice::add_rows(NodeId node, const std::vector<std::int64_t>& lanes, std::size_t slot) {
  for (const std::int64_t p : model_.layout().of_node[static_cast<std::size_t>(node)]) {
    const ParameterSpec& spec = model_.parameters()[static_cast<std::size_t>(p)].spec;
    if (!is_trained(spec.kind) || spec.axes.front() != AxisRole::output) continue;
    auto gated = std::ranges::find(gated_, p, &Gated::parameter);
    if (gated == gated_.end()) {
      gated_.push_back({p, model_.read(p, stream_), {}});
      gated = gated_.end() - 1;
    }
    for (std::size_t m = 0; m < lanes.size(); ++m) gated->rows.push_back({lanes[m], slot, m});
  }
}

void CriterionChoice::gate(double temperature) {
  temperature_ = temperature;
  for (std::size_t s = 0; s < spaces_.size(); ++s) {
    Logits& logits = logits_[s];
    RandomSequence random(seed_, RngPurpose::criterion, static_cast<std::uint32_t>(round_),
                          static_cast<std::uint32_t>(step_ * static_cast<std::int64_t>(spaces_.size())) +
                              static_cast<std::uint32_t>(s));
    std::vector<double> noisy = logits.value;
    for (double& value : noisy) {
      // 32 bits of a uniform number: kept off 0, of which there is no logarithm.
      const double uniform = std::max(random.uniform(), 0x1p-33);
      value = (value - std::log(-std::log(uniform))) / temperature;
    }
    logits.mixture = softmax(noisy);
    logits.gates.assign(spaces_[s].of_candidate.front().size(), 0.0);
    for (std::size_t c = 0; c < logits.mixture.size(); ++c) {
      for (std::size_t m = 0; m < logits.gates.size(); ++m) {
        logits.gates[m] += logits.mixture[c] * spaces_[s].of_candidate[c][m];
      }
    }
  }
  for (const Gated& gated : gated_) {
    std::vector<double> values = gated.original;
    const std::int64_t length =
        model_.value(gated.parameter).count() / model_.value(gated.parameter).shape[0];
    for (const Row& row : gated.rows) {
      const auto first = values.begin() + row.row * length;
      for (auto value = first; value != first + length; ++value)
        *value *= logits_[row.space].gates[row.member];
    }
    model_.write(gated.parameter, values, stream_);
  }
}

// dL / dz of every member's gate z: a parameter under it is z * w, so that dL/dz = sum w dL/d(z w).
std::vector<std::vector<double>> CriterionChoice::gate_gradients() const {
  std::vector<std::vector<double>> result;
  for (const Logits& logits : logits_) result.emplace_back(logits.gates.size(), 0.0);
  for (const Gated& gated : gated_) {
    const std::vector<double> gradient = read_values(model_.gradient(gated.parameter), stream_);
    const std::int64_t length =
        model_.value(gated.parameter).count() / model_.value(gated.parameter).shape[0];
    for (const Row& row : gated.rows) {
      const auto weights = gated.original.begin() + row.row * length;
      result[row.space][row.member] +=
          std::inner_product(weights, weights + length, gradient.begin() + row.row * length, 0.0);
    }
  }
  return result;
}

void CriterionChoice::learn() {
  const std::vector<std::vector<double>> gradients = gate_gradients();
  ++step_;
  const auto step = static_cast<double>(step_);
  for (std::size_t s = 0; s < spaces_.size(); ++s) {
    Logits& logits = logits_[s];
    std::vector<double> slopes;  // dL/d(mixture)
    for (const std::vector<double>& mask : spaces_[s].of_candidate) {
      slopes.push_back(std::inner_product(mask.begin(), mask.end(), gradients[s].begin(), 0.0));
    }
    const double mean = std::inner_product(slopes.begin(), slopes.end(), logits.mixture.begin(), 0.0);
    for (std::size_t c = 0; c < slopes.size(); ++c) {
      const double gradient = logits.mixture[c] * (slopes[c] - mean) / temperature_;
      logits.mean[c] = kMeanDecay * logits.mean[c] + (1 - kMeanDecay) * gradient;
      logits.square[c] = kSquareDecay * logits.square[c] + (1 - kSquareDecay) * gradient * gradient;
      const double corrected = logits.mean[c] / (1 - std::pow(kMeanDecay, step));
      const double size = std::sqrt(logits.square[c] / (1 - std::pow(kSquareDecay, step)));
      if (size > 0) logits.value[c] -= kLearningRate * corrected / size;
    }
  }
}

std::vector<std::int64_t> CriterionChoice::chosen() const {
  std::vector<std::int64_t> result;
  for (const Logits& logits : logits_) {
    result.push_back(std::ranges::max_element(logits.value) - logits.value.begin());
  }
  return result;
}

}  // namespace secateur
