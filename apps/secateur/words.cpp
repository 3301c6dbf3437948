#include "secateur/words.h"

#include <CLI/CLI.hpp>
#include <utility>

namespace secateur::app {

Words::Words(RunOptions& options, Choose choose) : options_(options), choose_(std::move(choose)) {}

void Words::check() const {
  for (const auto& flags : flags_) {
    if (flags->in_use()) flags->apply();
  }
}

void Words::run(CLI::App& command, std::function<int()> action) {
  command.callback([this, action = std::move(action)] { choose_(action); });
}

void Words::run(CLI::App& command, Sections sections, std::function<int(const OptionFlags&)> action) {
  flags_.push_back(std::make_unique<OptionFlags>(command, options_, sections));
  run(command, [flags = flags_.back().get(), action = std::move(action)] {
    flags->apply();
    return action(*flags);
  });
}

}  // namespace secateur::app
