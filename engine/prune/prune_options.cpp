#include "secateur/prune/prune_options.h"

#include <cmath>

#include "secateur/core/error.h"
#include "secateur/prune/criterion.h"
#include "secateur/prune/rate_policy.h"
#include "secateur/prune/search.h"
#include "secateur/prune/train_hooks.h"
#include "secateur/train/lr_schedule.h"

namespace secateur {
namespace {

void check_controller(const ControllerOptions& c) {
  for (const double weight :
       {c.alpha_start, c.alpha_end, c.beta_start, c.beta_end, c.static_alpha, c.static_beta}) {
    require(weight >= 0 && weight <= 2, "the weights alpha and beta lie in [0, 2], got {}", weight);
  }
  require(c.gamma >= 0 && c.gamma <= 1, "gamma lies in [0, 1], got {}", c.gamma);
}

void check_schedule(const PruneOptions& o) {
  require(o.rounds >= 1, "there is at least one round, got {}", o.rounds);
  require(o.frequency >= 1 && o.frequency <= o.rounds,
          "pruning takes place in every f-th round with f from 1 to the number of rounds ({}), got {}",
          o.rounds, o.frequency);
  require(o.train_epochs >= 0 && o.finetune_epochs >= 0, "numbers of epochs are not negative, got {} and {}",
          o.train_epochs, o.finetune_epochs);
  require(o.learning_rate > 0, "the learning rate of fine-tuning is positive, got {}", o.learning_rate);
  [[maybe_unused]] const LrFactor schedule = find_lr_schedule(o.lr_schedule);
  require(o.fallback.epochs >= 0 && o.fallback.max_halvings >= 0,
          "the fallback's epochs and halvings are not negative, got {} and {}", o.fallback.epochs,
          o.fallback.max_halvings);
  require(o.fallback.lr_factor > 0, "the fallback's factor on the learning rate is positive, got {}",
          o.fallback.lr_factor);
}

void check_budget(const PruneOptions& o) {
  if (o.width.mode != WidthMode::target) return;
  require(o.budget.amount >= 0 && std::isfinite(o.budget.amount),
          "the budget's amount is positive, or 0 where its fraction counts, got {}", o.budget.amount);
  require(o.budget.amount > 0 || (o.budget.fraction > 0 && o.budget.fraction < 1),
          "the budget is a part of the unpruned cost in (0, 1), got {}", o.budget.fraction);
  require(o.budget.batch >= 1, "the budget's batch has at least one image, got {}", o.budget.batch);
  require(o.width.rounding == Rounding::carry,
          "width mode 'target' needs rounding 'carry': '{}' fixes the number of channels by the rate alone",
          option_name(o.width.rounding));
}

}  // namespace

void check(const PruneOptions& o) {
  check_schedule(o);
  check_controller(o.controller);
  require(o.rate >= 0 && o.rate < 1, "the pruning rate psi lies in [0, 1), got {}", o.rate);
  require(o.tau >= 0 && o.tau <= 1, "tau is a part of accuracy in [0, 1], got {}", o.tau);
  require(o.sample_images >= 1 && o.sample_batch >= 1,
          "the sample and its batches hold at least one image, got {} and {}", o.sample_images,
          o.sample_batch);
  require(o.width.min_channels >= 1 && o.width.round_to >= 1,
          "min_channels and round_to are at least 1, got {} and {}", o.width.min_channels, o.width.round_to);
  for (const auto& [space, multiple] : o.width.round_to_of) {
    require(multiple >= 1, "widths of '{}' are multiples of 1 or more, not of {}", space, multiple);
  }
  check_budget(o);
  require(o.max_space_rate > 0 && o.max_space_rate <= 1, "max_space_rate lies in (0, 1], got {}",
          o.max_space_rate);
  require(o.sparsity >= 0, "the strength of a training hook is not negative, got {}", o.sparsity);
  require(o.mask_knee > 0 && o.mask_knee < 0.75,
          "the mask's knee lies in (0, 0.75): its rate rises fast and levels off, got {}", o.mask_knee);
  require(o.mask_mode == MaskMode::hard || o.train_epochs >= 1,
          "mask mode '{}' needs epochs before the removal to mask after: train-epochs is 0",
          option_name(o.mask_mode));
  [[maybe_unused]] const auto search = make_search({.options = o.search, .layers = 1});
  require(
      search == nullptr || o.mask_mode == MaskMode::hard,
      "a search tries out removals, and masks are of the rate policy's: '{}' and mask mode '{}' do not go "
      "together",
      o.search.name, option_name(o.mask_mode));
  require(o.search.epochs >= 0, "numbers of epochs are not negative, got {}", o.search.epochs);
  require(o.train_hook == "none" || o.train_epochs >= 1,
          "training hook '{}' works in the epochs before a removal: train-epochs is 0", o.train_hook);
  [[maybe_unused]] const auto hook = make_train_hook(o);
  [[maybe_unused]] const auto criterion =
      make_criterion(o.criterion, {.reduction = o.producer_reduction, .quirks = o.quirks});
  [[maybe_unused]] const auto policy = make_rate_policy(o.rate_policy, rate_policy_options(o));
}

bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;  // last '*' seen, and where its run began
  std::size_t run = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      run = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++run;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace secateur
