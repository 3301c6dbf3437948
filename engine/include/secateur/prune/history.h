// What each round of a pruning run came to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "secateur/io/option_fields.h"
#include "secateur/io/state_tree.h"

namespace secateur {

//   trained    no removal was due (frequency)
//   pruned     removed and fine-tuned
//   recovered  the fallback's training brought the accuracy back
//   skipped    neither that nor milder rates did: the network is as before the round's removal
enum class RoundOutcome : std::uint8_t { trained, pruned, recovered, skipped };

template <>
struct EnumNames<RoundOutcome> {
  static constexpr std::array<std::pair<RoundOutcome, std::string_view>, 4> kTable{
      {{RoundOutcome::trained, "trained"},
       {RoundOutcome::pruned, "pruned"},
       {RoundOutcome::recovered, "recovered"},
       {RoundOutcome::skipped, "skipped"}}};
};

struct RoundRecord {
  std::int64_t round = 0;
  RoundOutcome outcome = RoundOutcome::trained;
  double alpha = 0;  // with which the round was scored
  double beta = 0;
  double gamma = 0;            // after the round
  double accuracy_before = 0;  // fractions
  double accuracy_first = 0;   // after the first removal and fine-tuning, what the feedback saw
  double accuracy = 0;         // of the network that goes on
  std::int64_t halvings = 0;
  std::int64_t fallback_epochs = 0;
  std::int64_t removed_channels = 0;
  std::int64_t parameters = 0;  // after the round
  std::int64_t macs = 0;
  std::vector<std::string> names;  // of the prunable spaces
  std::vector<double> importance;  // Imp(l)
  std::vector<double> rates;
  std::vector<std::int64_t> widths;  // after the round
  bool operator==(const RoundRecord&) const = default;
};

void save_history(const std::vector<RoundRecord>& history, StateWriter writer);
[[nodiscard]] std::vector<RoundRecord> load_history(const StateReader& reader);

// Copies everything below a reader's place into a tree, and a tree below a writer's place.
[[nodiscard]] StateTree copy_out(const StateReader& reader);
void copy_in(const StateTree& tree, StateWriter writer);

}  // namespace secateur
