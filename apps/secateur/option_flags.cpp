#include "secateur/option_flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "secateur/budget_words.h"
#include "secateur/core/error.h"

namespace secateur::app {
namespace {

// Flags that people expect under another name than the rule gives.
const std::map<std::string, std::string, std::less<>>& short_names() {
  static const std::map<std::string, std::string, std::less<>> names{{"model.name", "model"},
                                                                     {"data.name", "data"},
                                                                     {"data.directory", "data-dir"},
                                                                     {"prune.weights", "score-weights"}};
  return names;
}

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

std::string flag_name(const std::string& key, const std::map<std::string, int>& uses) {
  const auto found = short_names().find(key);
  if (found != short_names().end()) return found->second;
  if (uses.at(last_part(key)) == 1) return last_part(key);
  std::string name = key;
  std::ranges::replace(name, '.', '-');
  return name;
}

}  // namespace

OptionFlags::OptionFlags(CLI::App& command, RunOptions& options, Sections sections)
    : command_(command), list_(std::make_unique<OptionList>(options.run)) {
  if (sections.model) describe(options.model, *list_);
  if (sections.data) describe(options.data, *list_);
  if (sections.train) describe(options.train, *list_);
  if (sections.prune) describe(options.prune, *list_);
  if (sections.prune) describe(options.target, *list_);

  std::map<std::string, int> uses;
  for (const Option& option : list_->options()) ++uses[last_part(option.key)];
  command.add_option("--recipe", recipe_file_, "TOML file of options; flags win over it")->type_name("FILE");
  command.add_option("--set", assignments_, "Any option by its key, e.g. train.epochs=3")
      ->type_name("KEY=VALUE");
  for (const Option& option : list_->options()) {
    auto flag = std::make_unique<Flag>(Flag{option.key, flag_name(option.key, uses), "", false});
    Flag* target = flag.get();
    const bool is_switch = option.kind == OptionKind::boolean;
    const std::string help = fmt::format("{} [{}]", option.help, option.default_text);
    auto* added = command.add_option_function<std::string>(
        "--" + flag->name,
        [target](const std::string& text) {
          target->text = text;
          target->given = true;
        },
        help);
    added->type_name(is_switch ? "yes|no" : option.expected())
        ->group(option.key.substr(0, option.key.find('.')));
    if (is_switch) added->expected(0, 1)->default_str("yes");
    flags_.push_back(std::move(flag));
  }
  if (sections.prune) add_shorthands(command);
}

void OptionFlags::add_shorthands(CLI::App& command) {
  for (const auto& [measure, name] : EnumNames<BudgetMeasure>::kTable) {
    shorthands_.push_back(std::make_unique<Shorthand>(Shorthand{measure, "", false}));
    Shorthand* target = shorthands_.back().get();
    command
        .add_option_function<std::string>(
            fmt::format("--{}", name),
            [target](const std::string& text) {
              target->text = text;
              target->given = true;
            },
            budget_help(measure))
        ->type_name(budget_form(measure))
        ->group("prune");
  }
}

void OptionFlags::apply_shorthands() {
  std::string used;
  for (const auto& shorthand : shorthands_) {
    if (!shorthand->given) continue;
    const std::string name = fmt::format("--{}", option_name(shorthand->measure));
    require(used.empty(), "a run has one budget: {} and {} were given", used, name);
    used = name;
    for (const auto& [key, text] : budget_keys(shorthand->measure, shorthand->text)) set(key, text);
  }
  for (const auto& flag : flags_) {
    require(used.empty() || !flag->given || !flag->key.starts_with("prune.budget"),
            "a run has one budget: {} and --{} were given", used, flag->name);
  }
}

void OptionFlags::set(const std::string& key, const std::string& text) {
  // "auto" is the one value of an integer that has a name.
  list_->set(key, key == "prune.round-to" && text == "auto" ? "0" : text);
  given_.push_back(key);
}

void OptionFlags::take(const Recipe& recipe, UnknownKeys unknown) {
  list_->apply(recipe, unknown);
  for (const auto& [key, entry] : recipe.entries()) given_.push_back(key);
}

void OptionFlags::apply(const Recipe& stored) {
  take(stored, UnknownKeys::ignore);
  apply();
}

void OptionFlags::apply() {
  if (!recipe_file_.empty()) take(Recipe::from_file(recipe_file_), UnknownKeys::refuse);
  apply_shorthands();
  for (const auto& flag : flags_) {
    if (!flag->given) continue;
    const bool named_alone = flag->text.empty() && list_->find(flag->key).kind == OptionKind::boolean;
    set(flag->key, named_alone ? "yes" : flag->text);
  }
  for (const std::string& assignment : assignments_) {
    const std::size_t equals = assignment.find('=');
    require(equals != std::string::npos, "--set takes KEY=VALUE, got '{}'", assignment);
    set(assignment.substr(0, equals), assignment.substr(equals + 1));
  }
}

bool OptionFlags::in_use() const { return command_.parsed(); }

bool OptionFlags::given(const std::string& key) const { return std::ranges::count(given_, key) > 0; }

}  // namespace secateur::app
