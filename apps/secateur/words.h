// What the classes that add words of the command line share.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "secateur/option_flags.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's own name
class App;
}  // namespace CLI

namespace secateur::app {

class Words {
 public:
  // Takes what to run once the whole command line was parsed.
  using Choose = std::function<void(std::function<int()>)>;

  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;

  // Applies the flags of the command that stands on the command line, if it is one of these, and runs
  // nothing.
  void check() const;

 protected:
  // `options` must outlive this object.
  Words(RunOptions& options, Choose choose);
  ~Words() = default;

  // Chooses `action` where the command stands on the command line.
  void run(CLI::App& command, std::function<int()> action);
  // Likewise; adds the flags of the sections, which are applied to the options first
  // and handed on, to tell what was given.
  void run(CLI::App& command, Sections sections, std::function<int(const OptionFlags&)> action);

  RunOptions& options_;

 private:
  Choose choose_;
  std::vector<std::unique_ptr<OptionFlags>> flags_;
};

}  // namespace secateur::app
