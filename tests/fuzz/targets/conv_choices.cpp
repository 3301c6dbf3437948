// Engines of convolutions that were chosen in earlier runs.
#include "secateur/backend/conv_choices.h"

#include "fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  static_cast<void>(fuzz::message_of([&] {
    const ConvChoices choices = ConvChoices::parse(fuzz::text_of(data, size), "input");
    if (ConvChoices::parse(choices.to_json(), "again") != choices) {
      fuzz::broken("choices are read as they were written");
    }
  }));
  return 0;
}
