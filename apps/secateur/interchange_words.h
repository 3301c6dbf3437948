// Command lines of import, export and infer.
#pragma once

#include <functional>
#include <memory>

#include "secateur/interchange.h"
#include "secateur/option_flags.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's own name
class App;
}  // namespace CLI

namespace secateur::app {

class InterchangeWords {
 public:
  // Takes what to run once the whole command line was parsed.
  using Choose = std::function<void(std::function<int()>)>;
  // Adds the words. `app` and `options` must outlive this object.
  InterchangeWords(CLI::App& app, RunOptions& options, Choose choose);

 private:
  void add_import(CLI::App& app);
  void add_export(CLI::App& app);
  void add_infer(CLI::App& app);
  OptionFlags& flags_of(CLI::App& command);

  RunOptions& options_;
  Choose choose_;
  std::vector<std::unique_ptr<OptionFlags>> flags_;
  ImportArguments import_;
  ExportArguments export_;
  InferArguments infer_;
};

}  // namespace secateur::app
