// Command lines of data (fetch, info, pack, verify).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "secateur/commands.h"
#include "secateur/option_flags.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's own name
class App;
}  // namespace CLI

namespace secateur::app {

class DataWords {
 public:
  // Takes what to run once the whole command line was parsed.
  using Choose = std::function<void(std::function<int()>)>;
  // Adds the word data. `app` and `options` must outlive this object.
  DataWords(CLI::App& app, RunOptions& options, Choose choose);

 private:
  void add_fetch(CLI::App& data);
  void add_info(CLI::App& data);
  void add_pack(CLI::App& data);
  void add_verify(CLI::App& data);
  OptionFlags& flags_of(CLI::App& command);

  RunOptions& options_;
  Choose choose_;
  std::vector<std::unique_ptr<OptionFlags>> flags_;
  std::string name_;
  std::filesystem::path directory_ = "data-sets";
  PackArguments pack_;
};

}  // namespace secateur::app
