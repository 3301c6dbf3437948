// The teacher of a run that distils.
#pragma once

#include <memory>

#include "secateur/io/state_tree.h"
#include "secateur/run_options.h"
#include "secateur/session.h"
#include "secateur/train/teacher.h"

namespace secateur::app {

// Null where the options ask for no distillation. Else the teacher that the checkpoint `stored` of this run
// holds (null: the run begins), or the network of the options' file, or that of `base`. Throws Error where
// there is none of these.
[[nodiscard]] std::unique_ptr<Teacher> open_teacher(const TrainOptions& options, Session& session,
                                                    const StateTree* stored, const StateTree* base);

// For a run's checkpoint, which so goes on without the file that the teacher came from.
void save_teacher(const Teacher& teacher, StateWriter writer, Stream& stream);

}  // namespace secateur::app
