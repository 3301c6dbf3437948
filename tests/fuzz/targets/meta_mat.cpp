// meta.mat of ImageNet's development kit.
#include "fuzz/fuzz_target.h"
#include "secateur/data/devkit.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  static const fuzz::MemoryFile file;
  file.fill({data, size});
  static_cast<void>(fuzz::message_of([&] {
    for (const data::DevkitClass& entry : data::read_devkit_classes(file.path())) {
      if (entry.folder.empty()) fuzz::broken("a class has a folder");
    }
  }));
  return 0;
}
