// A learned choice among criteria, space by space (CriterionNeeds::choice): Gumbel-softmax over the
// candidates of every space, all spaces at once, on the loss of the network whose channels are gated by the
// mixture of the candidates' masks. From a description of LFPC (He et al., CVPR 2020); the weights stand
// still meanwhile.
#pragma once

#include <cstdint>
#include <vector>

#include "secateur/prune/scorer.h"

namespace secateur {

// What every candidate of one space keeps: 1 or 0 a member.
struct ChoiceMasks {
  std::int64_t space = -1;  // index in ChannelSpaces
  std::vector<std::vector<double>> of_candidate;
};

// Drops round(rate * members), lowest score first, and keeps one at least.
[[nodiscard]] std::vector<double> mask_of_scores(const std::vector<double>& scores, double rate);

class CriterionChoice {
 public:
  // Model and stream must outlive it.
  CriterionChoice(Model& model, Stream& stream, std::vector<ChoiceMasks> spaces, std::uint64_t seed,
                  std::int64_t round);
  // Puts the model's parameters back.
  ~CriterionChoice();
  CriterionChoice(const CriterionChoice&) = delete;
  CriterionChoice& operator=(const CriterionChoice&) = delete;

  // Draws the mixtures of one step at a temperature and gates the model with them.
  void gate(double temperature);
  // After the backward pass of a loss under those gates: one step of Adam on the logits.
  void learn();
  // The candidate of largest logit of each space; of equal ones the first.
  [[nodiscard]] std::vector<std::int64_t> chosen() const;

 private:
  // A row of a parameter that a member's gate multiplies.
  struct Row {
    std::int64_t row;
    std::size_t space;
    std::size_t member;
  };
  struct Gated {
    std::int64_t parameter;
    std::vector<double> original;
    std::vector<Row> rows;
  };
  struct Logits {
    std::vector<double> value, mean, square;  // and Adam's moments
    std::vector<double> mixture;              // of this step
    std::vector<double> gates;                // of this step, one a member
  };
  void list_rows(const ChannelSpace& space, std::size_t slot);
  void add_rows(NodeId node, const std::vector<std::int64_t>& lanes, std::size_t slot);
  [[nodiscard]] std::vector<std::vector<double>> gate_gradients() const;

  Model& model_;
  Stream& stream_;
  std::vector<ChoiceMasks> spaces_;
  std::vector<Gated> gated_;
  std::vector<Logits> logits_;
  std::uint64_t seed_;
  std::int64_t round_;
  double temperature_ = 1;
  std::int64_t step_ = 0;
};

}  // namespace secateur
