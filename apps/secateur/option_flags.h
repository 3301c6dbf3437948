// Command-line flags made from option descriptions: train.learning-rate becomes --learning-rate, or, where
// two sections share the name, --train-learning-rate; --set KEY=VALUE reaches every option. A recipe file
// comes first, flags after. --flops, --params, --memory and --latency are the keys of a budget in one word.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "secateur/run_options.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's own name
class App;
}  // namespace CLI

namespace secateur::app {

// The sections of options that a word of the program takes.
struct Sections {
  bool model = false;
  bool data = false;
  bool train = false;
  bool prune = false;
};

class OptionFlags {
 public:
  // Adds the flags of the sections (and of `run`) to a command. `options` must outlive this object.
  OptionFlags(CLI::App& command, RunOptions& options, Sections sections);

  // Applies the recipe file, then the flags, to the options. Throws Error that names the key or flag, what
  // was expected and what came, and for unknown keys the nearest one.
  void apply();
  // The same with the recipe of a run that goes on, which comes before both. A run of `demo` or of an
  // experiment has keys of sections that this command does not take: those are passed over.
  void apply(const Recipe& stored);

  // Whether the command that these flags were added to stands on the command line.
  [[nodiscard]] bool in_use() const;

  // Keys that a recipe or a flag gave, so that a command can tell a choice from a default.
  [[nodiscard]] bool given(const std::string& key) const;
  // The merged options as TOML.
  [[nodiscard]] std::string toml() const { return list_->to_recipe().to_toml(); }
  [[nodiscard]] OptionList& list() { return *list_; }

 private:
  struct Flag {
    std::string key;
    std::string name;
    std::string text;
    bool given = false;
  };

  // A flag that stands for several keys: --latency 1.5ms@256.
  struct Shorthand {
    BudgetMeasure measure = BudgetMeasure::flops;
    std::string text;
    bool given = false;
  };

  void add_shorthands(CLI::App& command);
  void apply_shorthands();
  void set(const std::string& key, const std::string& text);
  void take(const Recipe& recipe, UnknownKeys unknown);

  const CLI::App& command_;
  std::unique_ptr<OptionList> list_;
  std::vector<std::unique_ptr<Flag>> flags_;
  std::vector<std::unique_ptr<Shorthand>> shorthands_;
  std::string recipe_file_;
  std::vector<std::string> assignments_;
  std::vector<std::string> given_;
};

}  // namespace secateur::app
