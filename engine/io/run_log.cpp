#include "secateur/io/run_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>
#include <span>

#include "io/file_descriptor.h"
#include "secateur/core/error.h"
#include "secateur/io/files.h"

namespace secateur {
namespace {

constexpr const char* kPurpose = "write the run log";

// "2026-03-01T12:00:00.123Z"
std::string utc_time() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, since_epoch % 1000);
}

// How a log that is to be continued ends. A process that was killed, or a machine that lost power, may have
// left half a line, which would spoil the next one too.
struct Tail {
  std::size_t complete_bytes = 0;  // what to keep
  bool lacks_newline = false;
};

Tail examine(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_file(path);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  require(text.empty() || text.front() == '{', "cannot write the run log '{}': the file there is no run log",
          path.string());
  if (text.empty() || text.back() == '\n') return {text.size(), false};
  const std::size_t last_line = text.rfind('\n') + 1;  // npos + 1 is 0
  if (nlohmann::json::accept(text.substr(last_line))) return {text.size(), true};
  require(text[last_line] == '{', "cannot write the run log '{}': its last line is no event", path.string());
  return {last_line, false};
}

}  // namespace

struct RunLog::Impl {
  explicit Impl(const std::filesystem::path& log_path)
      : path(log_path), file(path, O_RDWR | O_CREAT | O_APPEND, kPurpose) {}

  // One write a line, so that a kill leaves all of it or nothing. What a full disk leaves of it is taken
  // back.
  void append(std::string_view line) const {
    const off_t end = ::lseek(file.get(), 0, SEEK_END);
    const int error = file.write_all(std::as_bytes(std::span(line)));
    if (error == 0) return;
    if (end >= 0) [[maybe_unused]]
      const int ignored = ::ftruncate(file.get(), end);
    fail_on_file(kPurpose, path, error);
  }

  std::filesystem::path path;
  FileDescriptor file;
  std::chrono::steady_clock::time_point opened = std::chrono::steady_clock::now();
};

RunLog::RunLog(const std::filesystem::path& path) : impl_(std::make_unique<Impl>(path)) {
  if (!std::filesystem::is_regular_file(path)) return;  // a pipe or a terminal has no past
  const Tail tail = examine(path);
  if (::ftruncate(impl_->file.get(), static_cast<off_t>(tail.complete_bytes)) != 0)
    fail_on_file(kPurpose, path, errno);
  if (tail.lacks_newline) impl_->append("\n");
}

RunLog::~RunLog() = default;

void RunLog::write(std::string_view event, const LogFields& fields) {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - impl_->opened;
  nlohmann::ordered_json line;
  line["event"] = event;
  line["time"] = utc_time();
  line["elapsed"] = elapsed.count();
  for (const auto& [name, value] : fields) {
    require(!line.contains(name), "event '{}' has the field '{}' twice", event, name);
    std::visit([&line, &key = name](const auto& content) { line[key] = content; }, value);
  }
  // Text that is no UTF-8 (a file name, say) must not end a run: such bytes become U+FFFD.
  impl_->append(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

}  // namespace secateur
