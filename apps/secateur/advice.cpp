#include "secateur/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "secateur/text.h"

namespace secateur::app {
namespace {

constexpr double kLargeStep = 1.0 / 3;
constexpr double kModerateStep = 1.0 / 5;
constexpr double kFarFromTheSum = 2;
constexpr double kLargestPart = 1e9;  // images of a validation part that anyone has

}  // namespace

double standard_error(double accuracy, std::int64_t images) {
  return std::sqrt(accuracy * (1 - accuracy) / static_cast<double>(images));
}

std::string advice_on_validation(double accuracy, std::int64_t images, double tau) {
  const double error = standard_error(accuracy, images);
  if (!(error > tau / 2)) return "";
  const double needed = std::ceil(4 * accuracy * (1 - accuracy) / (tau * tau));  // infinite for a tau of 0
  const std::string remedy =
      needed <= kLargestPart ? fmt::format("a validation part of {} images or more (--validation) would do",
                                           grouped(static_cast<std::int64_t>(needed)))
                             : "no validation part is large enough for that; a larger --tau would do";
  return fmt::format(
      "warning: {} validation images tell an accuracy of {} to within {} (one standard error), and the run "
      "is steered by changes of {} (--tau): {}",
      grouped(images), percent(accuracy, 1), percent(error, 1), percent(tau, 1), remedy);
}

std::string advice_on_budget(double cost, double budget, std::int64_t removals) {
  if (removals < 1 || !(budget > 0) || !(cost > budget)) return "";
  const double step = 1 - std::pow(budget / cost, 1 / static_cast<double>(removals));
  if (step <= kLargeStep) return "";
  const double gentle = std::ceil(std::log(budget / cost) / std::log(1 - kModerateStep));
  return fmt::format(
      "warning: the budget leaves {} of the cost to take away in each of {} removals; with {} of them "
      "(--rounds) "
      "it would be {}",
      percent(step, 0), removals, gentle, percent(kModerateStep, 0));
}

std::string advice_on_widths(std::span<const SlowWidth> slow, std::size_t before) {
  if (slow.size() <= before) return "";
  const SlowWidth& worst = *std::ranges::max_element(slow, {}, &SlowWidth::idle);
  return fmt::format(
      "warning: {} convolutions have widths that are no whole vectors of this processor ({} had before); {} "
      "({} -> {} channels) computes {} for nothing: --round-to auto keeps widths whole",
      slow.size(), before, worst.layer, worst.in, worst.out, percent(worst.idle, 0));
}

std::string advice_on_layer_times(double factor, const std::filesystem::path& file) {
  if (factor >= 1 / kFarFromTheSum && factor <= kFarFromTheSum) return "";
  const std::string remedy =
      file.empty()
          ? "measure again on a quiet machine"
          : fmt::format("measure again on a quiet machine, without the kept times in '{}'", file.string());
  return fmt::format(
      "warning: the network takes {:.2g} times what its layers take together, as they were measured: other "
      "programs disturbed one or the other, and plans by these times are poor; {}",
      factor, remedy);
}

}  // namespace secateur::app
