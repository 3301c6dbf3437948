// TrainHook: what a method adds to training: terms of the weight update, or work after a step or an epoch.
// The trainer calls it in the epochs that it is given for; which those are, whoever runs the trainer decides.
//
// A hook saves what it carries from one step to the next: a run may be interrupted after any of them. What it
// works out at the start of an epoch is part of that while the epoch lasts, since the weights have moved on
// when the epoch is taken up again.
#pragma once

#include <cstdint>

#include "secateur/io/state_tree.h"
#include "secateur/runtime/model.h"
#include "secateur/train/sgd.h"

namespace secateur {

// Where an epoch lies among those that a hook is given for.
struct HookPlace {
  std::int64_t round = 1;
  std::int64_t epoch = 0;   // within the round, from 0
  std::int64_t epochs = 1;  // that the round has
};

class TrainHook {
 public:
  virtual ~TrainHook() = default;

  virtual void begin_epoch(Model& /*model*/, const HookPlace& /*place*/, Stream& /*stream*/) {}
  // In place of begin_epoch() where an interrupted epoch goes on, after restore(). A hook whose begin_epoch()
  // looks at the weights overrides it.
  virtual void resume_epoch(Model& model, const HookPlace& place, Stream& stream) {
    begin_epoch(model, place, stream);
  }
  // Whether the terms change from step to step: begin_step() and edit() are then called before each, and no
  // step is recorded.
  [[nodiscard]] virtual bool edits_every_step() const { return false; }
  virtual void begin_step(Model& /*model*/, Stream& /*stream*/) {}
  // Changes the terms of this epoch's weight updates, after begin_epoch(), or of this step's. What they point
  // to must live until the next call.
  virtual void edit(UpdateTerms& /*terms*/, const Model& /*model*/) {}
  virtual void after_step(Model& /*model*/, Stream& /*stream*/) {}
  virtual void end_epoch(Model& /*model*/, const HookPlace& /*place*/, Stream& /*stream*/) {}

  // A writer is a handle. NOLINTNEXTLINE(performance-unnecessary-value-param)
  virtual void save(StateWriter /*writer*/) const {}
  virtual void restore(const StateReader& /*reader*/) {}
};

}  // namespace secateur
