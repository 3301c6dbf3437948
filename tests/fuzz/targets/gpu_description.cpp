// The description of a GPU in JSON, as `secateur plan --gpu FILE` takes it.
#include "secateur/backend/gpu_description.h"
#include "fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  static_cast<void>(fuzz::message_of(
      [&] { static_cast<void>(parse_gpu_description(fuzz::text_of(data, size), "input")); }));
  return 0;
}
