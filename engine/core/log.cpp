#include "secateur/core/log.h"

#include <mutex>

namespace secateur {
namespace {

// Never destroyed: a static object's destructor may have something to say after main().
struct Log {
  std::mutex mutex;
  LogCallback callback;
};
Log& shared_log() {
  static Log& log = *new Log;  // NOLINT(cppcoreguidelines-owning-memory)
  return log;
}

}  // namespace

void set_log_callback(LogCallback callback) {
  Log& log = shared_log();
  const std::lock_guard lock(log.mutex);
  log.callback = std::move(callback);
}

void log_line(std::string_view line) noexcept {
  try {
    Log& log = shared_log();
    const std::lock_guard lock(log.mutex);
    if (log.callback) log.callback(line);
  } catch (...) {  // NOLINT(bugprone-empty-catch): it is called where nothing may be thrown
  }
}

}  // namespace secateur
