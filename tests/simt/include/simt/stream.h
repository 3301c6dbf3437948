// Streams of the executor. Work that is queued on one runs at once, unless the stream is being recorded.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace secateur::simt {

struct Work {
  std::function<std::string()> run;  // returns what went wrong; empty when nothing did
  bool kernel = false;               // a launch of a kernel, not a copy
};

using Recording = std::vector<Work>;

// From here on work on `stream` is put into `recording`; null: it runs at once again.
void record(const void* stream, Recording* recording);
[[nodiscard]] bool is_recorded(const void* stream);

// Runs the work, or keeps it where the stream is recorded: then nothing is wrong yet.
std::string submit(const void* stream, Work work);

}  // namespace secateur::simt
