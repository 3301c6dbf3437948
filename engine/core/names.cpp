#include "secateur/core/names.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace secateur {

std::int64_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the table of distances between the prefixes of a and of b.
  std::vector<std::int64_t> before_last;
  std::vector<std::int64_t> last;
  std::vector<std::int64_t> current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) current[j] = static_cast<std::int64_t>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last = std::move(last);
    last = std::move(current);
    current.assign(b.size() + 1, static_cast<std::int64_t>(i));
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::int64_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({last[j] + 1, current[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before_last[j - 2] + 1);
      }
    }
  }
  return current.back();
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return lower;
}

std::int64_t plausible_typo_distance(std::string_view name) {
  return std::max<std::int64_t>(2, static_cast<std::int64_t>(name.size()) / 3);
}

}  // namespace secateur
