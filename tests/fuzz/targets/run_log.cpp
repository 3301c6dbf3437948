// A run log, as `secateur report` and `secateur watch` read it back.
#include "fuzz/fuzz_target.h"
#include "secateur/run_history.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  static const fuzz::MemoryFile file;
  file.fill({data, size});
  static_cast<void>(fuzz::message_of([] { static_cast<void>(app::read_run_history(file.path())); }));
  return 0;
}
