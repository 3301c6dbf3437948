// Page-locked memory and events of the simulated runtime, and the count of what they are used for. Streams
// run at once, so that every event has passed when it was recorded; waiting for one that never was is what a
// real runtime allows too.
#include "simulated/transfers.h"

#include <cstdlib>
#include <map>
#include <mutex>

#include "cuda_runtime_api.h"
#include "simulated/stream.h"

namespace {

std::mutex mutex;
secateur::simulated::Transfers counts;  // all threads', but for
thread_local std::int64_t own_synchronizations = 0;

std::map<const unsigned char*, std::size_t>& pinned() {
  static std::map<const unsigned char*, std::size_t> pieces;
  return pieces;
}

}  // namespace

struct CUevent_st {
  CUstream_st* stream = nullptr;  // that it was recorded on, within a capture
  CUstream_st* origin = nullptr;  // where the capture began; null: it was recorded outside of any
  std::int64_t capture = 0;       // which of the captures begun there
};

namespace secateur::simulated {

Transfers transfers() {
  const std::lock_guard lock(mutex);
  Transfers result = counts;
  result.synchronizations = own_synchronizations;
  return result;
}

void reset_transfers() {
  const std::lock_guard lock(mutex);
  counts = {};
  own_synchronizations = 0;
}

void note_copy_to_device(const void* source, std::size_t bytes) {
  const std::lock_guard lock(mutex);
  const auto* first = static_cast<const unsigned char*>(source);
  const auto after = pinned().upper_bound(first);
  const bool locked =
      after != pinned().begin() && first + bytes <= std::prev(after)->first + std::prev(after)->second;
  ++(locked ? counts.pinned_copies : counts.pageable_copies);
}

void note_synchronization() { ++own_synchronizations; }

}  // namespace secateur::simulated

cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  constexpr std::size_t kAlignment = 4096;
  *memory = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (*memory == nullptr) return cudaErrorMemoryAllocation;
  const std::lock_guard lock(mutex);
  pinned().emplace(static_cast<const unsigned char*>(*memory), bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  const std::lock_guard lock(mutex);
  if (pinned().erase(static_cast<const unsigned char*>(memory)) != 1) return cudaErrorInvalidValue;
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  if (flags != cudaEventDisableTiming) return cudaErrorInvalidValue;
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (event == nullptr) return cudaErrorInvalidValue;
  CUstream_st* origin = stream->origin();
  *event = {stream, origin, origin != nullptr ? origin->captures : 0};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  secateur::simulated::note_synchronization();
  return event != nullptr ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  if (event == nullptr || flags != 0) return cudaErrorInvalidValue;
  if (event->origin == nullptr && stream->origin() != nullptr) return cudaErrorStreamCaptureIsolation;
  if (CUstream_st* origin = event->origin; origin != nullptr) {
    if (origin->capture == nullptr || event->capture != origin->captures) return cudaErrorCapturedEvent;
    if (stream == origin) {
      event->stream->joined = true;
    } else {
      stream->forked_from = origin;
      stream->joined = false;
      origin->forks.insert(stream);
      secateur::simt::record(stream, origin->capture.get());
    }
  }
  const std::lock_guard lock(mutex);
  ++counts.stream_waits;
  return cudaSuccess;
}
