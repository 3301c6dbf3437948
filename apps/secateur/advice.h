// Warnings that help: what a person would want to know before hours of computing, in one sentence each, or ""
// where there is nothing to say.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "secateur/prune/fast_widths.h"

namespace secateur::app {

// Standard error of an accuracy that was measured on so many images: sqrt(p (1 - p) / n).
[[nodiscard]] double standard_error(double accuracy, std::int64_t images);

// A validation part whose standard error is more than half of tau, the loss of accuracy that sets off the
// fallback: noise alone then steers the run. Says how many images would do.
[[nodiscard]] std::string advice_on_validation(double accuracy, std::int64_t images, double tau);

// A budget that leaves each of the remaining removals more than a third of the cost to take away; says how
// many removals would take steps of a fifth. `cost` and `budget` are in one unit.
[[nodiscard]] std::string advice_on_budget(double cost, double budget, std::int64_t removals);

// Convolutions of the pruned network whose widths are no whole vectors, where more of them are than were
// before: what idles there, and what would keep them whole.
[[nodiscard]] std::string advice_on_widths(std::span<const SlowWidth> slow, std::size_t before);

// A whole network that takes less than half or more than twice the time of its layers together (`factor`, of
// runtime/layer_times.h): kept times of a busy machine. Names the file that holds them, "" where there is
// none.
[[nodiscard]] std::string advice_on_layer_times(double factor, const std::filesystem::path& file);

}  // namespace secateur::app
