// Command lines of bench.
#pragma once

#include <string>

#include "secateur/bench/bench.h"
#include "secateur/commands.h"
#include "secateur/words.h"

namespace secateur::app {

class BenchWords : private Words {
 public:
  using Words::check;
  using Words::Choose;
  // Adds the word. `app` and `options` must outlive this object.
  BenchWords(CLI::App& app, RunOptions& options, Choose choose);

 private:
  void add_kernels(CLI::App& bench);
  void add_score(CLI::App& bench);
  void add_loader(CLI::App& bench);
  void add_train(CLI::App& bench);
  void add_infer(CLI::App& bench);

  bench::BenchOptions kernels_;
  std::string precision_ = "fp32";
  ScoreBenchOptions score_;
  LoaderBenchOptions loader_;
  TrainBenchOptions train_;
  InferBenchOptions infer_;
};

}  // namespace secateur::app
