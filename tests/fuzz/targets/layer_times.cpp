// The table of layer times, as `prune --latency` keeps it.
#include "secateur/runtime/layer_times.h"

#include "fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  static_cast<void>(fuzz::message_of([&] {
    const LayerTimes times = LayerTimes::parse(fuzz::text_of(data, size), "input");
    if (LayerTimes::parse(times.to_json(), "again") != times)
      fuzz::broken("a table is read as it was written");
  }));
  return 0;
}
