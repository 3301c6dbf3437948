// Command lines of data (fetch, info, pack, verify).
#pragma once

#include <string>

#include "secateur/commands.h"
#include "secateur/words.h"

namespace secateur::app {

class DataWords : private Words {
 public:
  using Words::check;
  using Words::Choose;
  // Adds the word data. `app` and `options` must outlive this object.
  DataWords(CLI::App& app, RunOptions& options, Choose choose);

 private:
  void add_fetch(CLI::App& data);
  void add_info(CLI::App& data);
  void add_pack(CLI::App& data);
  void add_verify(CLI::App& data);

  FetchArguments fetch_;
  PackArguments pack_;
};

}  // namespace secateur::app
