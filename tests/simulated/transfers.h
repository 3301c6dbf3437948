// What the simulated runtime was asked to do between host and device.
#pragma once

#include <cstddef>
#include <cstdint>

namespace secateur::simulated {

struct Transfers {
  std::int64_t pinned_copies = 0;  // to the device, from page-locked memory
  std::int64_t pageable_copies =
      0;                          // to the device, from other memory of the host: the caller waits for these
  std::int64_t stream_waits = 0;  // of one stream for another's event
  std::int64_t synchronizations = 0;  // the host waited for a stream or an event, in the thread that asks
};
// Of this thread, and, of copies, of all others too, since the last reset.
[[nodiscard]] Transfers transfers();
void reset_transfers();

void note_copy_to_device(const void* source, std::size_t bytes);
void note_synchronization();

}  // namespace secateur::simulated
