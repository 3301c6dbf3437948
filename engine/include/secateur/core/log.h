// What the library has to say where it cannot throw: it prints nothing, and hands a line to whoever asked.
#pragma once

#include <functional>
#include <string_view>

namespace secateur {

using LogCallback = std::function<void(std::string_view line)>;

// Called from any thread, one line at a time; it must not call set_log_callback(). An empty one (the default)
// drops the lines.
void set_log_callback(LogCallback callback);

// Never throws; an exception from the callback ends there.
void log_line(std::string_view line) noexcept;

}  // namespace secateur
