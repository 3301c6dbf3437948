#include "secateur/watch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <thread>
#include <vector>

#include "secateur/core/error.h"
#include "secateur/io/recipe.h"
#include "secateur/progress.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

namespace fs = std::filesystem;

std::string fact(const RunHistory& history, const std::string& name) {
  const auto found = history.facts.find(name);
  return found == history.facts.end() ? "" : found->second;
}

// An integer option of the run's recipe; 0 where it is not to be had.
std::int64_t option(const RunHistory& history, const std::string& key) {
  try {
    const Recipe recipe = Recipe::from_text(history.recipe, "the run's recipe");
    const auto* value = recipe.contains(key) ? std::get_if<std::int64_t>(&recipe.at(key)) : nullptr;
    return value == nullptr ? 0 : *value;
  } catch (const Error&) {
    return 0;
  }
}

// Seconds of an epoch at the present speed; NaN where there is none.
double epoch_seconds(const RunHistory& history) {
  const double images = std::strtod(fact(history, "training_images").c_str(), nullptr);
  const double speed = history.epochs.rbegin()->second.images_per_second;
  return images > 0 && speed > 0 ? images / speed : std::nan("");
}

std::int64_t epochs_left(const RunHistory& history) {
  if (fact(history, "command") != "prune") {
    return option(history, "train.epochs") - (history.epochs.rbegin()->first + 1);
  }
  // Of the round that is under way, what is done is not known to the log in one number: it counts as a whole.
  const std::int64_t rounds =
      option(history, "prune.rounds") - static_cast<std::int64_t>(history.rounds.size());
  return rounds * (option(history, "prune.train-epochs") + option(history, "prune.finetune-epochs"));
}

std::string heading(const std::string& name, const RunHistory& history) {
  std::string text = fmt::format("{}: {} {} on {}", name, fact(history, "command"), fact(history, "model"),
                                 fact(history, "data"));
  if (history.epochs.empty()) return text + ", no epoch is done yet";
  if (fact(history, "command") == "prune") {
    return text +
           fmt::format(", {} of {} rounds done", history.rounds.size(), option(history, "prune.rounds"));
  }
  return text + fmt::format(", {} of {} epochs", history.epochs.rbegin()->first + 1,
                            option(history, "train.epochs"));
}

std::string last_epoch(const RunHistory& history) {
  const EpochRecord& epoch = history.epochs.rbegin()->second;
  std::string text = fmt::format("  loss {:.4f}  train {}", epoch.loss, percent(epoch.top1));
  if (std::isfinite(epoch.validation_top1))
    text += fmt::format("  validation {}", percent(epoch.validation_top1));
  text += fmt::format("  lr {:.4g}  {:.0f} images/s", epoch.learning_rate, epoch.images_per_second);
  const double seconds = static_cast<double>(epochs_left(history)) * epoch_seconds(history);
  if (!is_finished(history) && seconds > 0) text += fmt::format("  about {} left", duration_text(seconds));
  return text;
}

std::string rounds_table(const RunHistory& history) {
  std::vector<std::vector<std::string>> rows{
      {"round", "outcome", "before", "accuracy", "parameters", "multiply-adds"}};
  for (const auto& [number, round] : history.rounds) {
    rows.push_back({std::to_string(number), round.outcome, percent(round.accuracy_before),
                    percent(round.accuracy), grouped(round.parameters),
                    scaled(static_cast<double>(round.macs))});
  }
  return table_text(rows);
}

std::string state(const RunHistory& history, double seconds_since) {
  if (is_finished(history)) return "finished";
  const double usual = history.epochs.empty() ? 60 : std::max(60.0, 3 * epoch_seconds(history));
  if (!(seconds_since > usual)) return "running";
  return fmt::format("nothing new for {}: stopped, or in a long epoch", duration_text(seconds_since));
}

double seconds_since_write(const fs::path& file) {
  return std::chrono::duration<double>(fs::file_time_type::clock::now() - fs::last_write_time(file)).count();
}

}  // namespace

bool is_finished(const RunHistory& history) {
  return history.measured.contains("result") || history.measured.contains("after");
}

std::string watch_text(const std::string& name, const RunHistory& history, double seconds_since) {
  std::string text = heading(name, history) + "\n";
  if (!history.epochs.empty()) text += last_epoch(history) + "\n";
  if (!history.rounds.empty()) text += rounds_table(history);
  for (const char* which : {"result", "after"}) {
    const auto found = history.measured.find(which);
    if (found != history.measured.end())
      text += fmt::format("  test: top-1 {}\n", percent(found->second.top1));
  }
  return text + "  " + state(history, seconds_since) + "\n";
}

int run_watch(const fs::path& folder, bool once) {
  const fs::path log = folder / "run.jsonl";
  require(fs::exists(log), "'{}' holds no run log: name the folder of a run (--out) that has begun",
          folder.string());
  const bool redraw = ::isatty(STDOUT_FILENO) == 1 && !once;
  std::optional<fs::file_time_type> seen;
  while (!interrupted()) {
    const fs::file_time_type written = fs::last_write_time(log);
    const bool is_new = seen != written;
    seen = written;
    if (is_new || redraw) {
      const RunHistory history = read_run_history(log);
      fmt::print("{}{}", redraw ? "\033[H\033[2J" : "",
                 watch_text(folder.string(), history, seconds_since_write(log)));
      std::fflush(stdout);
      if (once || is_finished(history)) return 0;
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  return 130;
}

}  // namespace secateur::app
