// Command lines of bench.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "secateur/bench/bench.h"
#include "secateur/commands.h"
#include "secateur/option_flags.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's own name
class App;
}  // namespace CLI

namespace secateur::app {

class BenchWords {
 public:
  // Takes what to run once the whole command line was parsed.
  using Choose = std::function<void(std::function<int()>)>;
  // Adds the word. `app` and `options` must outlive this object.
  BenchWords(CLI::App& app, RunOptions& options, Choose choose);

 private:
  void add_kernels(CLI::App& bench);
  void add_score(CLI::App& bench);
  void add_loader(CLI::App& bench);
  void add_train(CLI::App& bench);
  void add_infer(CLI::App& bench);
  OptionFlags& flags_of(CLI::App& command, Sections sections);

  RunOptions& options_;
  Choose choose_;
  std::vector<std::unique_ptr<OptionFlags>> flags_;
  bench::BenchOptions kernels_;
  std::string precision_ = "fp32";
  ScoreBenchOptions score_;
  LoaderBenchOptions loader_;
  TrainBenchOptions train_;
  InferBenchOptions infer_;
};

}  // namespace secateur::app
