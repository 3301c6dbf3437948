// The built-in training hooks, for their registry.
#pragma once

#include <memory>

#include "secateur/prune/train_hooks.h"

namespace secateur {

[[nodiscard]] std::unique_ptr<TrainHook> make_slimming_hook(const PruneOptions& options);
[[nodiscard]] std::unique_ptr<TrainHook> make_group_lasso_hook(const PruneOptions& options);
[[nodiscard]] std::unique_ptr<TrainHook> make_hbfp_hook(const PruneOptions& options);

}  // namespace secateur
