#include "experiments/specimen.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "secateur/core/error.h"
#include "secateur/data/loader.h"
#include "secateur/prune/criterion.h"
#include "secateur/prune/scope.h"
#include "secateur/prune/scorer.h"
#include "secateur/prune/selection.h"
#include "secateur/prune/surgeon.h"

namespace secateur::experiments {

Specimen::Specimen(const app::RunOptions& options, const std::filesystem::path& weights)
    : options_(options),
      session_(options.run),
      loaded_(app::load_model(weights, session_)),
      data_(app::open_data(options, loaded_.split())),
      evaluator_(loaded_.model, session_.arena(), session_.stream(), options.train.eval_batch,
                 session_.precision()) {
  require(data_.validation.has_value(),
          "a study measures on validation images: --validation sets some aside");
  for (std::size_t p = 0; p < loaded_.model.parameters().size(); ++p) {
    values_.push_back(loaded_.model.read(static_cast<std::int64_t>(p), session_.stream()));
  }
}

std::vector<SpaceScores> Specimen::score(const std::string& criterion, double alpha, double beta) {
  return score_sample(criterion, alpha, beta, options_.prune.sample_images, options_.run.seed).spaces;
}

Specimen::Scoring Specimen::score_sample(const std::string& criterion, double alpha, double beta,
                                         std::int64_t images, std::uint64_t seed) {
  const auto start = std::chrono::steady_clock::now();
  const auto scorer_of = make_criterion(
      criterion, {.reduction = options_.prune.producer_reduction, .quirks = options_.prune.quirks});
  const Graph& net = loaded_.model.graph();
  const ChannelSpaces spaces(net);
  const std::vector<std::int64_t> prunable =
      prunable_spaces(net, spaces, options_.prune.scope, options_.prune.keep);
  const std::unique_ptr<BatchSource> sample = data_.sample_source(seed);
  Scorer scorer(loaded_.model, session_.arena(), session_.stream(),
                {.images = images,
                 .batch = std::min(options_.prune.sample_batch, images),
                 .precision = session_.precision(),
                 .taps = options_.prune.taps,
                 .redundancy = options_.prune.redundancy});
  const CriterionContext context{.alpha = alpha, .beta = beta, .round = 1, .seed = seed};
  std::vector<SpaceStatistics> statistics =
      scorer.measure(prunable, scorer_of->needs(), false, *sample, context.round);
  if (scorer_of->needs().choice) {
    scorer.choose(*scorer_of, context, options_.prune.rate, *sample, statistics);
  }
  Scoring scoring;
  for (const SpaceStatistics& space : statistics) {
    scoring.spaces.push_back(scored_space(
        space, SelectionMode::once, [&](const SpaceStatistics& s) { return scorer_of->score(s, context); }));
  }
  scoring.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  scoring.bytes = scorer.planned_bytes();
  return scoring;
}

Evaluation Specimen::evaluate(std::int64_t images) {
  data::ImageSet set = *data_.validation;
  if (images > 0 && images < set.size()) {
    std::vector<std::int64_t> first(static_cast<std::size_t>(images));
    std::iota(first.begin(), first.end(), 0);
    set = set.subset(first);
  }
  return evaluator_.run(*data_.evaluation_source(set));
}

Evaluation Specimen::whole(std::int64_t images) { return evaluate(images); }

Evaluation Specimen::without(const SpaceScores& space, const std::vector<std::int64_t>& members,
                             std::int64_t images) {
  if (members.empty()) return evaluate(images);
  KeepChannels edit{space.name, space.width, {}};
  for (std::int64_t member = 0; member < space.width; ++member) {
    if (std::ranges::find(members, member) == members.end()) edit.kept.push_back(member);
  }
  apply_mask(loaded_.model, {{edit}}, session_.stream());
  const Evaluation result = evaluate(images);
  put_back();
  return result;
}

std::string Specimen::fingerprint() const {
  XXH64_hash_t hash = 0;
  for (const std::vector<double>& values : values_) {
    hash = XXH3_64bits_withSeed(values.data(), values.size() * sizeof(double), hash);
  }
  return fmt::format("{:016x}", hash);
}

void Specimen::put_back() {
  for (std::size_t p = 0; p < values_.size(); ++p) {
    loaded_.model.write(static_cast<std::int64_t>(p), values_[p], session_.stream());
  }
}

std::vector<std::int64_t> weakest(const SpaceScores& space, std::int64_t count) {
  const auto most = static_cast<std::int64_t>(space.order.size());
  return {space.order.begin(), space.order.begin() + std::min(count, most)};
}

}  // namespace secateur::experiments
