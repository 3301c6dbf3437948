// Contenders that take turns in one run, block by block, so that all of them see the same machine.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace secateur::bench {

struct Timing {
  std::string name;
  std::vector<double> seconds;      // of every block that counts, in order
  std::vector<double> cpu_seconds;  // likewise, of all threads

  [[nodiscard]] double median() const;
  [[nodiscard]] double cpu_median() const;
  [[nodiscard]] double least() const;
  [[nodiscard]] double most() const;
};

// What a block took. Where other programs share the machine, the processor's time tells more than the
// clock's.
struct BlockTime {
  double seconds = 0;
  double cpu_seconds = 0;
};

struct Turn {
  std::string name;
  std::function<BlockTime()> block;  // runs one block
};

// One block of each that does not count, then `blocks` rounds of one block of each.
[[nodiscard]] std::vector<Timing> take_turns(const std::vector<Turn>& contenders, std::int64_t blocks);

// Seconds of the processor that this process has taken, in all threads.
[[nodiscard]] double cpu_seconds();
// Most resident bytes of this process since it began.
[[nodiscard]] std::int64_t peak_resident_bytes();
// Processes that ran on this machine in the last minute, this one's own included.
[[nodiscard]] double load_average();
// UTC, ISO 8601.
[[nodiscard]] std::string time_now();

}  // namespace secateur::bench
