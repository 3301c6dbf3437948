// Progress of training for a person: one live line on a terminal, one plain line an epoch elsewhere.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "secateur/train/trainer.h"

namespace secateur::app {

class Progress final : public TrainObserver {
 public:
  // `quiet` prints nothing. Lines go to `stream`.
  explicit Progress(std::FILE* stream, bool quiet = false);

  // What the next epochs are: "training", "fine-tuning, round 2 of 5". Epochs of the phase are counted
  // from 1.
  void begin_phase(const std::string& name, std::int64_t epochs);

  void on_step(const StepReport& report) override;
  void on_epoch(const EpochReport& report) override;
  // True once the user pressed Ctrl-C.
  [[nodiscard]] bool stop_requested() override;

  // A line of its own, above the live one.
  void say(const std::string& line);
  // Appended to the line of the epoch that ended last: "validation 84.31 %".
  void add_to_epoch(const std::string& text);
  // Ends the epoch's line.
  void end_epoch();

 private:
  void clear_live_line();

  std::FILE* stream_;
  bool quiet_;
  bool live_;
  bool line_open_ = false;
  std::string phase_;
  std::int64_t phase_epochs_ = 0;
  std::int64_t phase_epoch_ = 0;
  double last_drawn_ = -1;
};

// Makes Ctrl-C and SIGTERM ask for a stop; a second one ends the process at once.
void install_interrupt_handler();
[[nodiscard]] bool interrupted();

}  // namespace secateur::app
