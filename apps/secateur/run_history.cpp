#include "secateur/run_history.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "secateur/core/error.h"

namespace secateur::app {
namespace {

using Json = nlohmann::json;

// {"event": "widths", "before": [..]}: events are flat, and what lies deeper is left out.
bool limit_depth(int depth, Json::parse_event_t /*event*/, Json& /*parsed*/) {
  constexpr int kMaxDepth = 2;
  return depth <= kMaxDepth;
}

double number(const Json& event, const char* key) {
  const auto found = event.find(key);
  return found != event.end() && found->is_number() ? found->get<double>()
                                                    : std::numeric_limits<double>::quiet_NaN();
}

// 0 where there is none, or none of 53 bits.
std::int64_t integer(const Json& event, const char* key) {
  constexpr double kLimit = 9007199254740992.0;
  const double value = number(event, key);
  return std::abs(value) <= kLimit ? static_cast<std::int64_t>(value) : 0;
}

std::string text(const Json& event, const char* key) {
  const auto found = event.find(key);
  if (found == event.end()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

void read_start(const Json& event, RunHistory& history) {
  for (const auto& [key, value] : event.items()) {
    if (key == "recipe") {
      history.recipe = text(event, "recipe");
    } else if (key != "event" && key != "elapsed") {
      history.facts.try_emplace(key, text(event, key.c_str()));
    }
  }
}

Measured measured(const Json& event) {
  return {number(event, "top1"),
          number(event, "top5"),
          integer(event, "parameters"),
          integer(event, "macs"),
          integer(event, "file_bytes"),
          number(event, "latency_ms"),
          number(event, "images_per_second"),
          integer(event, "peak_bytes")};
}

// Accuracies since the last removal.
struct SinceRemoval {
  double removed = std::numeric_limits<double>::quiet_NaN();
  double best = std::numeric_limits<double>::quiet_NaN();
};

void read_evaluation(const Json& event, RunHistory& history, SinceRemoval& since) {
  const double accuracy = number(event, "accuracy");
  if (text(event, "occasion") == "removal") {
    since.removed = accuracy;
    return;
  }
  if (!history.epochs.empty()) history.epochs.rbegin()->second.validation_top1 = accuracy;
  since.best = std::fmax(since.best, accuracy);
}

BudgetRecord budget_record(const Json& event) {
  const auto met = event.find("met");
  return {text(event, "measure"),
          integer(event, "batch"),
          number(event, "budget"),
          number(event, "unpruned"),
          number(event, "cost"),
          number(event, "measured"),
          number(event, "measured_spread"),
          number(event, "measured_unpruned"),
          met != event.end() && met->is_boolean() && met->get<bool>()};
}

void read_event(const Json& event, RunHistory& history, SinceRemoval& since) {
  const std::string kind = event.at("event").get<std::string>();
  if (kind == "start" || kind == "resume") {
    read_start(event, history);
  } else if (kind == "epoch" || kind.ends_with("_epoch")) {
    const std::int64_t epoch = integer(event, "epoch");
    history.epochs[epoch] = {epoch,
                             text(event, "phase"),
                             number(event, "loss"),
                             number(event, "top1"),
                             number(event, "learning_rate"),
                             number(event, "images_per_second"),
                             number(event, "validation_top1")};
  } else if (kind == "evaluation") {
    read_evaluation(event, history, since);
  } else if (kind == "removal") {
    const double gone = history.epochs.empty() ? 0 : static_cast<double>(history.epochs.rbegin()->first + 1);
    history.removals[integer(event, "round")] = gone;
    since = {};
  } else if (kind == "round_end") {
    const std::int64_t round = integer(event, "round");
    const auto removal = history.removals.find(round);
    history.rounds[round] = {
        round,
        removal == history.removals.end() ? std::numeric_limits<double>::quiet_NaN() : removal->second,
        text(event, "outcome"),
        number(event, "alpha"),
        number(event, "beta"),
        number(event, "accuracy_before"),
        number(event, "accuracy"),
        since.removed,
        since.best,
        integer(event, "parameters"),
        integer(event, "macs")};
  } else if (kind == "widths") {
    history.layer_names = event.at("layers").get<std::vector<std::string>>();
    history.widths_before = event.at("before").get<std::vector<double>>();
    history.widths_after = event.at("after").get<std::vector<double>>();
  } else if (kind == "measured") {
    history.measured[text(event, "which")] = measured(event);
  } else if (kind == "budget") {
    history.budget = budget_record(event);
  } else if (kind == "result") {
    history.measured["result"] = measured(event);
  }
}

}  // namespace

RunHistory read_run_history(const std::filesystem::path& log) {
  std::ifstream file(log);
  require(file.is_open(), "cannot open the run log '{}'", log.string());
  RunHistory history;
  SinceRemoval since;
  double elapsed = 0;  // of the process that wrote last
  std::string line;
  for (std::int64_t line_number = 1; std::getline(file, line); ++line_number) {
    if (line.empty()) continue;
    const Json event = Json::parse(line, limit_depth, false);
    // A killed process may leave its last line half-written; the next one begins on a line of its own.
    if (event.is_discarded() && file.peek() == std::ifstream::traits_type::eof()) break;
    require(event.is_object() && event.contains("event"), "{}:{}: not an event of a run log", log.string(),
            line_number);
    try {
      if (const double now = number(event, "elapsed"); std::isfinite(now)) {
        history.seconds += now >= elapsed ? now - elapsed : now;  // a process counts from 0
        elapsed = now;
      }
      read_event(event, history, since);
    } catch (const Json::exception& error) {
      fail("{}:{}: not an event of a run log: {}", log.string(), line_number, error.what());
    }
  }
  return history;
}

}  // namespace secateur::app
