#include "secateur/bench/report_head.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <span>

#include "secateur/bench/contest.h"
#include "secateur/core/version.h"
#include "secateur/io/files.h"

namespace secateur::bench {

ReportHead::ReportHead() : started_(time_now()), load_(load_average()) {}

nlohmann::json ReportHead::json(const std::string& command, const std::string& device,
                                std::int64_t threads) const {
  return {
      {"schema", 1},
      {"command", command},
      {"started", started_},
      {"machine",
       {{"device", device}, {"threads", threads}, {"load_before", load_}, {"load_after", load_average()}}},
      {"build", {{"commit", build_info().commit}, {"compiler", build_info().compiler}}}};
}

std::string ReportHead::load_text() const {
  return fmt::format("load average {:.2f} before, {:.2f} after\n", load_, load_average());
}

void write_report(const std::filesystem::path& path, const nlohmann::json& report) {
  if (path.empty()) return;
  const std::string text = report.dump(2) + "\n";
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

}  // namespace secateur::bench
