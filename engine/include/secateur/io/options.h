// Options described once: key, field, help, range or names. From the one description come the values that a
// recipe or the command line sets, the recipe that is stored with a run, and the listing behind --help.
//
//   struct TrainOptions {
//     std::int64_t epochs = 160;
//     double learning_rate = 0.1;
//     Schedule schedule = Schedule::step;
//   };
//   template <>
//   struct secateur::EnumNames<Schedule> {
//     static constexpr std::array<std::pair<Schedule, std::string_view>, 2> kTable{
//         {{Schedule::step, "step"}, {Schedule::cosine, "cosine"}}};
//   };
//   template <class Visitor>
//   void describe(TrainOptions& o, Visitor& v) {
//     v("train.epochs", o.epochs, "Number of epochs", at_least(1));
//     v("train.learning-rate", o.learning_rate, "Initial learning rate", above(0));
//     v("train.schedule", o.schedule, "How the learning rate falls");
//   }
//
//   OptionList options(train, prune);          // the structs must outlive the list
//   options.apply(Recipe::from_file("recipe.toml"));
//   options.set("train.epochs", "3");          // text, as from a command line
//   const Recipe merged = options.to_recipe();
//
// Fields: bool, integers, double, std::string, std::filesystem::path, enumerations with EnumNames, vectors of
// std::int64_t, double or std::string, and std::optional of any of them (written "none" when it is not set).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "secateur/io/option_fields.h"
#include "secateur/io/recipe.h"

namespace secateur {

// A limit on an option's value, or on each element of a list; its unit; the names that it may have.
struct OptionRule {
  std::optional<double> minimum;
  std::optional<double> maximum;
  bool minimum_excluded = false;
  bool maximum_excluded = false;
  std::string unit;
  std::vector<std::string> choices;
};

[[nodiscard]] OptionRule at_least(double minimum);
[[nodiscard]] OptionRule at_most(double maximum);
[[nodiscard]] OptionRule above(double minimum);
[[nodiscard]] OptionRule below(double maximum);
[[nodiscard]] OptionRule between(double minimum, double maximum);  // both included
[[nodiscard]] OptionRule unit(std::string name);                   // "seconds"; for the help text
[[nodiscard]] OptionRule one_of(std::vector<std::string> names);   // for names that only a registry knows

struct Option {
  std::string key;  // "train.epochs"
  OptionKind kind;
  std::string help;
  OptionRule rule;
  bool optional = false;     // may be "none"
  std::string default_text;  // the value when it was described, as set() takes it
  IntegerLimits limits;      // of the field's type

  std::function<std::optional<RecipeValue>()> read;
  std::function<void(const std::optional<RecipeValue>&)> store;  // of a value that was checked

  // "an integer of at least 1", "one of step, cosine", ...
  [[nodiscard]] std::string expected() const;
  // The value now, as set() takes it.
  [[nodiscard]] std::string text() const;
};

enum class UnknownKeys : std::uint8_t { refuse, ignore };

class OptionList {
 public:
  template <class... Structs>
  explicit OptionList(Structs&... structs) {
    (describe(structs, *this), ...);
  }

  // The visitor's call, see above. Throws Error when the key is taken or the default breaks a rule of its
  // own.
  template <class Field, class... Rules>
  void operator()(std::string_view key, Field& field, std::string_view help, const Rules&... rules) {
    using Traits = OptionField<Field>;
    Option option;
    option.key = key;
    option.kind = Traits::kKind;
    option.help = help;
    option.optional = Traits::kOptional;
    option.limits = Traits::kLimits;
    option.rule.choices = Traits::names();
    option.read = [&field] { return Traits::read(field); };
    option.store = [&field](const std::optional<RecipeValue>& value) { Traits::store(field, value); };
    add(std::move(option), {rules...});
  }

  // In the order of description.
  [[nodiscard]] const std::vector<Option>& options() const { return options_; }
  // Throws Error that names the nearest key.
  [[nodiscard]] const Option& find(std::string_view key) const;

  // Sets every field that the recipe has a value for; all of them, or, when it throws, none. Throws Error
  // that names the key, its file and line, what was expected and what came; for an unknown key, the nearest
  // known one.
  void apply(const Recipe& recipe, UnknownKeys unknown = UnknownKeys::refuse);

  // Sets one field from text: "3", "0.5", "true" or "false" (also yes, no, on, off), "cosine", "80,120" or
  // "[80, 120]", "none". Throws Error like apply().
  void set(std::string_view key, std::string_view text);

  // Every option and its value now; optional ones that are not set are left out.
  [[nodiscard]] Recipe to_recipe() const;

 private:
  void add(Option option, const std::vector<OptionRule>& rules);
  [[noreturn]] void fail_unknown(std::string_view key, std::string_view origin) const;

  std::vector<Option> options_;
};

}  // namespace secateur
