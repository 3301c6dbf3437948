// Runs the kernels' tests against mutants of the kernels, and prints what share the tests catch.
//
//   simt_mutation_tests [--count N] [--only TEXT] [--list]
//
// A sample of N mutants, spread over all of them (default 60; 0: all of them, some minutes). Fails when the
// untouched kernels fail, when a left-out barrier goes unseen, or when the share caught falls below
// kLeastShare.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "simt/executor.h"
#include "simt/mutant.h"

namespace {

struct Mutant {
  int id;
  const char* where;
  const char* what;
};
const Mutant kMutants[] = {
#include "mutants.inc"
};

constexpr double kLeastShare = 0.75;
constexpr rlim_t kCpuSecondsEach = 40;

// Which tests speak for a file. Device headers are tried through the kernels that use them most.
std::string tests_of(const std::string& where) {
  static const std::map<std::string, std::string> tests = {
      {"augment.cu", "Augment.*"},
      {"batch_norm_act.cu", "BatchNormAct.*"},
      {"batch_norm_act_backward.cu", "BatchNormAct.*"},
      {"batch_norm_sums.cu", "BatchNormSums.*"},
      {"device/batch_norm.cuh", "BatchNormAct.*"},
      {"channel_gather.cu", "ChannelGather.*"},
      {"channel_moments.cu", "ChannelMoments.*"},
      {"dropout.cu", "Dropout.*"},
      {"elementwise.cu", "Elementwise.*:Cast.*:FindNonfinite.*"},
      {"filter_norm.cu", "FilterNorm.*"},
      {"map_channels.cu", "MapChannels.*"},
      {"pairwise_correlation.cu", "PairwiseCorrelation.*"},
      {"pooling.cu", "Pooling.*:GlobalAveragePool.*"},
      {"redundancy.cu", "*Redundancy.*"},
      {"sgd_momentum.cu", "SgdMomentum.*"},
      {"softmax_cross_entropy.cu", "SoftmaxCrossEntropy.*"},
      {"step_state.cu", "StepState.*"},
      {"weight_average.cu", "WeightAverage.*"},
      {"device/philox.cuh", "Augment.*:Dropout.*"},
      {"device/segments.cuh", "FilterNorm.*:ChannelGather.*"},
      {"device/memory.cuh", "Elementwise.*:ChannelMoments.*:FilterNorm.*"},
      {"device/numeric.cuh", "ChannelMoments.*:FindNonfinite.*"},
      {"device/standardise.cuh", "*Redundancy.*"},
      {"device/reduce.cuh",
       "ChannelMoments.*:FilterNorm.*:SoftmaxCrossEntropy.*:PairwiseCorrelation.*:*Redundancy.*"},
      {"device/map_source.cuh", "ChannelMoments.*:*Redundancy.*"},
      {"device/moments.cuh", "ChannelMoments.*:BatchNormAct.*"}};
  const auto found = tests.find(where.substr(0, where.find(':')));
  return found == tests.end() ? "*" : found->second;
}

constexpr int kUntouched = -1;

// Runs tests in a child of their own: a mutant may crash or hang. True when all of them pass. Mutants fail in
// silence; what the untouched kernels fail at is printed.
bool tests_pass(int mutant, const std::string& filter) {
  std::cout.flush();
  const pid_t child = fork();
  if (child == 0) {
    const rlimit limit{kCpuSecondsEach, kCpuSecondsEach};  // of CPU time: a busy machine is no hang
    setrlimit(RLIMIT_CPU, &limit);
    if (mutant != kUntouched && std::freopen("/dev/null", "w", stdout) == nullptr) _exit(3);
    secateur::simt::active_mutant = mutant;
    ::testing::GTEST_FLAG(filter) = filter;
    ::testing::GTEST_FLAG(fail_fast) = true;
    ::testing::GTEST_FLAG(output) = "";
    const int code = RUN_ALL_TESTS();
    std::fflush(stdout);
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (mutant == kUntouched && WIFSIGNALED(status)) {
    std::cout << "ended by signal " << WTERMSIG(status) << " (" << strsignal(WTERMSIG(status)) << ")\n";
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 60;
  std::string only;
  bool list = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--count") == 0 && i + 1 < argc) count = std::strtoul(argv[++i], nullptr, 10);
    if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) only = argv[++i];
    if (std::strcmp(argv[i], "--list") == 0) list = true;
  }
  int one = 1;
  ::testing::InitGoogleTest(&one, argv);

  std::vector<Mutant> chosen;
  for (const Mutant& mutant : kMutants) {
    if (std::string(mutant.where).find(only) != std::string::npos) chosen.push_back(mutant);
  }
  const std::size_t all = chosen.size();
  if (count > 0 && count < all) {
    std::vector<Mutant> sample;
    for (std::size_t i = 0; i < count; ++i) sample.push_back(chosen[i * all / count]);
    chosen = sample;
  }
  if (list) {
    for (const Mutant& mutant : chosen)
      std::cout << mutant.id << ' ' << mutant.where << ' ' << mutant.what << '\n';
    return 0;
  }
  if (!tests_pass(kUntouched, "*")) {
    std::cout << "the tests fail on the kernels as they are\n";
    return 1;
  }
  std::size_t caught = 0;
  bool barrier_missed = false;
  for (const Mutant& mutant : chosen) {
    if (!tests_pass(mutant.id, tests_of(mutant.where))) {
      ++caught;
      continue;
    }
    const bool barrier = std::string(mutant.what).find("left out") != std::string::npos;
    barrier_missed = barrier_missed || barrier;
    std::cout << "not caught: " << mutant.where << " " << mutant.what << '\n';
  }
  const double share =
      chosen.empty() ? 1.0 : static_cast<double>(caught) / static_cast<double>(chosen.size());
  std::cout << caught << " of " << chosen.size() << " mutants caught (" << static_cast<int>(100 * share)
            << "%), of " << all << " there are\n";
  return share >= kLeastShare && !barrier_missed ? 0 : 1;
}
