// PruningLoop: dynamic pruning (Algorithm 1) with its fallback (Algorithm 2) as a state machine that can stop
// after any unit of work and go on from its saved state with the same decisions.
//
//   for t in 1 .. T:
//     train `train_epochs` (with soft masks: set what would be removed to zero before the first and after
//       each)
//     if t mod f == 0: score; rates (with a search: try candidates out, one a unit of work, and take each
//     back); plan; remove; fine-tune E; evaluate; feedback
//       accuracy fell by more than tau: train up to E_f epochs at a fraction of the rate; where that does not
//       bring it back, return to the network before this round's removal, halve the rates, remove and
//       fine-tune again; after max_halvings the round is skipped
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "secateur/io/run_log.h"
#include "secateur/prune/controller.h"
#include "secateur/prune/history.h"
#include "secateur/prune/planner.h"
#include "secateur/prune/prune_options.h"
#include "secateur/prune/pruning_backend.h"
#include "secateur/prune/search.h"

namespace secateur {

// What the next unit of work is.
enum class LoopPhase : std::uint8_t {
  begin,
  train,
  search,
  remove,
  finetune,
  evaluate,
  fallback,
  skip,
  finished
};

template <>
struct EnumNames<LoopPhase> {
  static constexpr std::array<std::pair<LoopPhase, std::string_view>, 9> kTable{
      {{LoopPhase::begin, "begin"},
       {LoopPhase::train, "train"},
       {LoopPhase::search, "search"},
       {LoopPhase::remove, "remove"},
       {LoopPhase::finetune, "finetune"},
       {LoopPhase::evaluate, "evaluate"},
       {LoopPhase::fallback, "fallback"},
       {LoopPhase::skip, "skip"},
       {LoopPhase::finished, "finished"}}};
};

struct LoopResult {
  double accuracy_start = 0;  // on the images that steer the run
  double accuracy = 0;
  NetworkCost cost_start;  // of the unpruned network
  NetworkCost cost;
  std::optional<BudgetStatus> budget;  // width mode target
};

class PruningLoop {
 public:
  // Throws Error for impossible options (check(PruneOptions)). Backend and sink must outlive the loop.
  PruningLoop(PruneOptions options, PruningBackend& backend, EventSink& events);

  // One unit of work: an epoch, a scoring pass with its removal, an evaluation. False when there was nothing
  // left. Throws Error before anything is changed when a budget cannot be reached.
  bool step();
  // Steps to the end, calling `checkpoint` after each unit. Throws Error that names the best plan reached
  // when a budget is not met.
  LoopResult run(const std::function<void()>& checkpoint);

  // The plan of the next round as the network is now, and the scores it follows from: nothing is trained or
  // changed.
  struct Preview {
    PlannedRound planned;
    std::vector<SpaceScores> scores;
  };
  [[nodiscard]] Preview preview();

  [[nodiscard]] LoopPhase phase() const { return s_.phase; }
  [[nodiscard]] std::int64_t round() const { return s_.round; }
  [[nodiscard]] const std::vector<RoundRecord>& history() const { return s_.history; }
  [[nodiscard]] const std::vector<SpaceScores>& scores() const {
    return s_.scores;
  }  // of the round that is under way
  [[nodiscard]] LoopResult result();

  // All of the loop's state, the network before the present removal included. The network itself and the
  // trainer's counters are saved by whoever owns them, at the same moment.
  void save(StateWriter writer) const;
  // Whether the loop stands in an epoch of training: what is saved then, after Interrupted, goes on in its
  // middle. Else (layers were measured) what was saved after the last unit of work is what there is.
  [[nodiscard]] bool within_epoch() const { return s_.within_epoch; }
  void restore(const StateReader& reader);

 private:
  // Of a search: carried out on the network, and taken back when it was measured.
  struct Candidate {
    std::vector<double> rates;
    bool within_budget = true;
  };
  struct State {
    LoopPhase phase = LoopPhase::begin;
    std::int64_t round = 1;
    std::int64_t epoch = 0;     // within the phase; in a search, of the candidate
    bool within_epoch = false;  // training has begun an epoch, and not ended it
    double accuracy_start = 0;
    double accuracy_before = 0;   // of the network that the round began with: perf_prev
    double accuracy_removed = 0;  // after the removal that the fallback tries to mend
    std::int64_t skipped_in_a_row = 0;
    bool budget_close = false;        // the last removal left no granule that would have fitted
    RoundRecord record;               // of the round that is under way
    std::vector<SpaceScores> scores;  // of this round (soft masks: of the last mask); empty before
    std::optional<Candidate> tried;   // that the network is at present
    std::vector<double> searched;     // rates that the search found; empty without one
    std::vector<WidthStep> steps;     // of the removal that was carried out
    std::optional<StateTree> snapshot;
    std::vector<RoundRecord> history;
  };

  void begin();
  void train();
  void search();
  void try_candidate();
  void remove();
  void finetune();
  void evaluate();
  void fallback();
  void skip();
  void start_round();
  void after_training();
  void score();
  void mask();
  [[nodiscard]] std::unique_ptr<Search> new_search(std::size_t layers) const;
  void roll_back_and_soften();
  void accept(RoundOutcome outcome, double accuracy);
  void end_round(RoundOutcome outcome, double accuracy);
  void finish();

  [[nodiscard]] BudgetGoal goal();
  // Throws Error where the budget cannot be reached; 0s without one.
  FeasibleRange check_budget();
  [[nodiscard]] LrPhase round_phase() const;
  [[nodiscard]] std::int64_t phase_epoch(bool finetuning) const;
  void train_epoch(const LrPhase& phase, std::int64_t epoch, std::string_view event);
  double measure(std::string_view occasion);

  PruneOptions options_;
  PruningBackend& backend_;
  EventSink& events_;
  WidthTracker tracker_;
  Controller controller_;
  State s_;
  std::unique_ptr<Search> search_;  // that is under way
};

}  // namespace secateur
