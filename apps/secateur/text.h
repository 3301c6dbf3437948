// How figures are written for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace secateur::app {

// "269,722"
[[nodiscard]] std::string grouped(std::int64_t value);
// "40.8 M", "4.09 G"; plain below ten thousand.
[[nodiscard]] std::string scaled(double value);
// "1.2 MiB"
[[nodiscard]] std::string bytes_text(std::int64_t bytes);
// "3 s", "2:05", "1:02:05"
[[nodiscard]] std::string duration_text(double seconds);
// "84.31 %" of a fraction.
[[nodiscard]] std::string percent(double fraction, int digits = 2);
// "-50.3 %": what became of `before`.
[[nodiscard]] std::string change_text(double before, double after);

// A table with aligned columns: the first to the left, the others to the right.
[[nodiscard]] std::string table_text(const std::vector<std::vector<std::string>>& rows);

}  // namespace secateur::app
