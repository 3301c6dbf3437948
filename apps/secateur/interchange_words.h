// Command lines of import, export and infer.
#pragma once

#include "secateur/interchange.h"
#include "secateur/words.h"

namespace secateur::app {

class InterchangeWords : private Words {
 public:
  using Words::check;
  using Words::Choose;
  // Adds the words. `app` and `options` must outlive this object.
  InterchangeWords(CLI::App& app, RunOptions& options, Choose choose);

 private:
  void add_import(CLI::App& app);
  void add_export(CLI::App& app);
  void add_infer(CLI::App& app);

  ImportArguments import_;
  ExportArguments export_;
  InferArguments infer_;
};

}  // namespace secateur::app
