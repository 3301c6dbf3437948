#include "simt/stream.h"

#include <map>
#include <utility>

namespace secateur::simt {
namespace {

std::map<const void*, Recording*>& recordings() {
  static std::map<const void*, Recording*> of_stream;
  return of_stream;
}

}  // namespace

void record(const void* stream, Recording* recording) {
  if (recording == nullptr) {
    recordings().erase(stream);
  } else {
    recordings()[stream] = recording;
  }
}

bool is_recorded(const void* stream) { return recordings().contains(stream); }

std::string submit(const void* stream, Work work) {
  const auto found = recordings().find(stream);
  if (found == recordings().end()) return work.run();
  found->second->push_back(std::move(work));
  return {};
}

}  // namespace secateur::simt
