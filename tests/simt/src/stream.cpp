#include "simt/stream.h"

#include <map>
#include <mutex>
#include <utility>

namespace secateur::simt {
namespace {

// Other threads copy on streams of their own while one is recorded.
struct Recordings {
  std::mutex mutex;
  std::map<const void*, Recording*> of_stream;
};

Recordings& recordings() {
  static Recordings instance;
  return instance;
}

}  // namespace

void record(const void* stream, Recording* recording) {
  const std::scoped_lock lock(recordings().mutex);
  if (recording == nullptr) {
    recordings().of_stream.erase(stream);
  } else {
    recordings().of_stream[stream] = recording;
  }
}

bool is_recorded(const void* stream) {
  const std::scoped_lock lock(recordings().mutex);
  return recordings().of_stream.contains(stream);
}

std::string submit(const void* stream, Work work) {
  {
    const std::scoped_lock lock(recordings().mutex);
    const auto found = recordings().of_stream.find(stream);
    if (found != recordings().of_stream.end()) {
      found->second->push_back(std::move(work));
      return {};
    }
  }
  return work.run();
}

}  // namespace secateur::simt
