// Specimen: a trained network to look into: its scores, and what it does without some of its channels. The
// network itself is never changed: channels are taken out by masking, which equals removing them, and put
// back afterwards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "secateur/prune/rate_policy.h"
#include "secateur/run_options.h"
#include "secateur/session.h"
#include "secateur/train/evaluator.h"

namespace secateur::experiments {

class Specimen {
 public:
  // Opens the weights and the data of the options, with the split that the weights were trained on.
  Specimen(const app::RunOptions& options, const std::filesystem::path& weights);

  // Scores of all prunable spaces, in order. alpha and beta are the weights of `unified`.
  [[nodiscard]] std::vector<SpaceScores> score(const std::string& criterion, double alpha, double beta);
  // The same on `images` training images that the seed draws, with what it took.
  struct Scoring {
    std::vector<SpaceScores> spaces;
    double seconds = 0;
    std::int64_t bytes = 0;  // of maps and workspaces
  };
  [[nodiscard]] Scoring score_sample(const std::string& criterion, double alpha, double beta,
                                     std::int64_t images, std::uint64_t seed);

  // Loss and accuracy on the first `images` validation images (0: all), of the network as it is and without
  // these members of one of the spaces that score() gives.
  [[nodiscard]] Evaluation whole(std::int64_t images);
  [[nodiscard]] Evaluation without(const SpaceScores& space, const std::vector<std::int64_t>& members,
                                   std::int64_t images);

  [[nodiscard]] const Graph& graph() const { return loaded_.model.graph(); }
  // Tells these weights from others: a hash of all values.
  [[nodiscard]] std::string fingerprint() const;

 private:
  [[nodiscard]] Evaluation evaluate(std::int64_t images);
  void put_back();

  app::RunOptions options_;
  app::Session session_;
  app::LoadedModel loaded_;
  app::RunData data_;
  Evaluator evaluator_;
  std::vector<std::vector<double>> values_;  // of every parameter, to be put back
};

// Members of a space that would go first, `count` of them.
[[nodiscard]] std::vector<std::int64_t> weakest(const SpaceScores& space, std::int64_t count);

}  // namespace secateur::experiments
