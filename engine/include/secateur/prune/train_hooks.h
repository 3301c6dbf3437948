// The training hooks that `--train-hook` chooses from, for the epochs before a removal. A new one is a file
// in prune/hooks/ and one line in its registry, or, from outside the project, a call of register_train_hook.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/prune/prune_options.h"
#include "secateur/train/train_hook.h"

namespace secateur {

//   none         no hook: a null pointer
//   slimming     g += sparsity * sign(gamma) for the scales gamma of all batch norms (Liu et al. 2017, the
//                subgradient of sparsity * sum |gamma|)
//   group_lasso  g += sparsity * 16^((max I - I_k) / (max I - min I)) * w for all weights w that are coupled
//                with channel k of a prunable space, I_k the Euclidean norm of these weights: the producers'
//                filters, the scales behind them, the consumers' columns (Fang et al. 2023, DepGraph's sparse
//                learning). In place of the weight decay; I is measured at the start of each epoch.
//   hbfp         g += sparsity * sum over pairs (i, j) of sign(n_i - n_j) * sign(w) for the weights w of
//   filter
//                i, n the sums of |w|: the gradient of sparsity * sum |n_i - n_j| over the round(rate *
//                width) pairs of each prunable space whose norms ran most alike (the criterion hbfp) since
//                the round began, chosen at the start of each epoch; the norms are taken in every step. From
//                the description of Basha et al. 2024: in their code the term is a constant.
using TrainHookFactory = std::function<std::unique_ptr<TrainHook>(const PruneOptions&)>;

// Throws Error that lists the hooks.
[[nodiscard]] std::unique_ptr<TrainHook> make_train_hook(const PruneOptions& options);
// Throws Error when the name is taken.
void register_train_hook(std::string name, std::string description, TrainHookFactory factory);

struct TrainHookInfo {
  std::string name;
  std::string description;
};
[[nodiscard]] std::vector<TrainHookInfo> registered_train_hooks();

}  // namespace secateur
