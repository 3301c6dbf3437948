// CIFAR's binary files, as a set in miniature: the input is the training file (two records with a coarse and
// a fine label each) and the names' file behind it.
#include <algorithm>

#include "fuzz/fuzz_target.h"
#include "secateur/data/cifar.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  static const fuzz::MemoryFile records;
  static const fuzz::MemoryFile names;
  static const data::CifarLayout layout{.name = "small",
                                        .folder = "small",
                                        .train_files = {records.name()},
                                        .test_files = {records.name()},
                                        .records_per_train_file = 2,
                                        .records_per_test_file = 2,
                                        .names_file = names.name(),
                                        .label_bytes = 2,
                                        .num_classes = 3,
                                        .statistics = {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}}};
  const std::size_t split = std::min(size, static_cast<std::size_t>(2 * layout.record_bytes()));
  records.fill({data, split});
  names.fill({data + split, size - split});
  static_cast<void>(fuzz::message_of([] {
    const data::DataSets sets = data::read_cifar(layout, fuzz::MemoryFile::folder());
    for (std::int64_t i = 0; i < sets.train.size(); ++i) {
      if (sets.train.label(i) < 0 || sets.train.label(i) >= sets.train.num_classes()) {
        fuzz::broken("labels are in range");
      }
    }
  }));
  return 0;
}
