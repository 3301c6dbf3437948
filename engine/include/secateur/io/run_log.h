// Run log: one JSON object a line, appended and flushed event by event, so that a killed run leaves a
// readable log and a resumed one goes on in the same file. Every event carries "event" (its kind), "time"
// (UTC, ISO 8601) and "elapsed" (seconds since the log was opened by this process).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace secateur {

using LogValue = std::variant<std::int64_t, double, bool, std::string, std::vector<std::int64_t>,
                              std::vector<double>, std::vector<std::string>>;
using LogFields = std::vector<std::pair<std::string, LogValue>>;

// Where parts report what happened; a program decides where it goes (file, terminal, both).
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void write(std::string_view event, const LogFields& fields) = 0;
};

// Appends JSON lines to a file. Non-finite numbers are written as null. Throws Error when the file cannot be
// written.
class RunLog final : public EventSink {
 public:
  explicit RunLog(const std::filesystem::path& path);
  ~RunLog() override;
  void write(std::string_view event, const LogFields& fields) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Passes every event on to several sinks (not owned).
class EventFanOut final : public EventSink {
 public:
  explicit EventFanOut(std::vector<EventSink*> sinks) : sinks_(std::move(sinks)) {}
  void write(std::string_view event, const LogFields& fields) override {
    for (EventSink* sink : sinks_) sink->write(event, fields);
  }

 private:
  std::vector<EventSink*> sinks_;
};

}  // namespace secateur
