// The JSON that a benchmark leaves: the same head for all of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace secateur::bench {

// When a benchmark began, and how busy the machine was then. Make it before anything runs.
class ReportHead {
 public:
  ReportHead();
  // schema, command, started, machine (device, threads, load before and now) and build.
  [[nodiscard]] nlohmann::json json(const std::string& command, const std::string& device,
                                    std::int64_t threads) const;
  // "load average 0.02 before, 1.96 after\n"
  [[nodiscard]] std::string load_text() const;

 private:
  std::string started_;
  double load_;
};

// Writes it, indented; nothing for an empty path. Throws Error.
void write_report(const std::filesystem::path& path, const nlohmann::json& report);

}  // namespace secateur::bench
