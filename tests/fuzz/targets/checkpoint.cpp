// The envelope of a checkpoint. HDF5 must not see a byte of a file whose length or checksum is not right;
// what it makes of a file that was sealed on purpose is out of scope (SECURITY.md).
#include "secateur/io/checkpoint.h"
#include "fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  static const fuzz::MemoryFile file;
  file.fill({data, size});
  const std::string message = fuzz::message_of([] { static_cast<void>(read_checkpoint(file.path())); });
  // "cannot be read" is what is said once the envelope was in order.
  if (message.find("cannot be read") != std::string::npos) {
    fuzz::broken("HDF5 sees no file whose envelope is wrong:", message);
  }
  return 0;
}
