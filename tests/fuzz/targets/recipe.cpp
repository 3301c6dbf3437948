// A recipe in TOML, and the options of a run that take their values from it.
#include "secateur/io/recipe.h"
#include "fuzz/fuzz_target.h"
#include "secateur/io/options.h"
#include "secateur/run_options.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  static_cast<void>(fuzz::message_of([&] {
    const Recipe recipe = Recipe::from_text(fuzz::text_of(data, size), "input");
    if (!(Recipe::from_text(recipe.to_toml(), "own") == recipe)) {
      // Numbers that differ from themselves are no exception to be found.
      for (const auto& [key, entry] : recipe.entries()) {
        if (to_toml(entry.value).find("nan") != std::string::npos) return;
      }
      fuzz::broken("what is written reads back equal");
    }
    app::RunOptions options;
    OptionList list(options.model, options.data, options.train, options.prune, options.run);
    list.apply(recipe, UnknownKeys::ignore);
  }));
  return 0;
}
