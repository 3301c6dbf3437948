#include "secateur/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "secateur/core/names.h"

namespace secateur::app {
namespace {

constexpr int kUsageError = 2;

std::vector<const CLI::App*> words_below(const CLI::App& command) {
  return command.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<std::string> names_below(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* word : words_below(command)) names.push_back(word->get_name());
  return names;
}

std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// Reads the command line once more, for what it says and not for what it means.
class Complaint {
 public:
  Complaint(const CLI::App& app, int argc, const char* const* argv) : scope_(&app), path_(app.get_name()) {
    for (int i = 1; i < argc && !lost_; ++i) look_at(argv[i]);
    if (!lost_ && text_.empty() && !names_below(*scope_).empty()) {
      text_ = fmt::format("{} takes one of these words: {}\n", path_, fmt::join(names_below(*scope_), ", "));
    }
  }

  // Empty where no word and no flag is to blame.
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  void look_at(const std::string& typed) {
    if (typed.starts_with("--")) {
      const std::string name = typed.substr(0, typed.find('='));
      const std::vector<std::string> known = flags_of(*scope_);
      if (std::ranges::count(known, name) > 0) return;
      text_ += fmt::format("{} has no option '{}'{}\n", path_, name, did_you_mean(name, known));
      return;
    }
    const std::vector<const CLI::App*> words = words_below(*scope_);
    if (words.empty() || typed.starts_with("-")) return;  // a value
    const auto found = std::ranges::find(words, typed, &CLI::App::get_name);
    if (found != words.end()) {
      scope_ = *found;
      path_ += " " + typed;
      return;
    }
    lost_ = true;
    const std::vector<std::string> names = names_below(*scope_);
    text_ += fmt::format("{} has no word '{}'{}\n", path_, typed, did_you_mean(typed, names));
  }

  const CLI::App* scope_;
  std::string path_;
  std::string text_;
  bool lost_ = false;
};

}  // namespace

int report_usage(const CLI::App& app, const CLI::ParseError& error, int argc, const char* const* argv) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const Complaint complaint(app, argc, argv);
  if (complaint.text().empty()) {
    fmt::print(stderr, "{}: {}\n", complaint.path(), error.what());
  } else {
    fmt::print(stderr, "{}", complaint.text());
  }
  fmt::print(stderr, "{} --help lists what there is.\n", complaint.path());
  return kUsageError;
}

}  // namespace secateur::app
