// Streams and events of the simulated runtime. A stream that is captured may fork: another one that waits for
// an event of it takes part in the capture, and must be waited for again before the capture ends.
#pragma once

#include <cstdint>
#include <memory>
#include <set>

#include "simt/stream.h"

struct CUstream_st {
  std::unique_ptr<secateur::simt::Recording> capture;  // that began on this stream; null: none goes on
  std::int64_t captures = 0;                           // begun on it so far
  bool invalid = false;                                // something was asked for that a capture refuses
  std::set<CUstream_st*> forks;                        // streams that take part in it
  CUstream_st* forked_from = nullptr;                  // the stream whose capture this one takes part in
  bool joined = true;                                  // that stream waits for all that was put on this one

  // Where the capture began that this stream takes part in; null: none.
  [[nodiscard]] CUstream_st* origin() { return capture != nullptr ? this : forked_from; }
};
