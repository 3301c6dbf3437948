// secateur bench kernels: each kernel on the layers of real networks, beside what the machine could do and
// what other implementations do.
//
// A Case is a kernel on a shape. Its contenders do the same work; each is made, run and dropped in turn, so
// that only one holds memory. Before each timed run the caches are swept: times are those of inputs that come
// from memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/bench/work.h"

namespace secateur::bench {

struct BenchOptions {
  std::string kernel = "*";  // patterns, with * and ?
  std::string shape = "*";
  std::string device = "auto";  // auto: the GPU where this build and machine have one
  Precision precision = Precision::fp32;
  std::int64_t batch = 0;  // 0: each network's own
  double seconds = 0.3;    // for each implementation on each shape
  std::filesystem::path json;
  std::filesystem::path svg;
};

// What the machine does, measured in the same process: the best of several runs.
struct Ceilings {
  double copy_bytes_per_second = 0;   // b = a, both counted
  double triad_bytes_per_second = 0;  // c = a + s b
  double fma_per_second = 0;          // operations of fp32 multiply-adds, two each
  double tensor_per_second = 0;       // of 16-bit matrix multiply-adds with fp32 sums; 0 where there are none

  [[nodiscard]] double bytes_per_second() const {
    return copy_bytes_per_second > triad_bytes_per_second ? copy_bytes_per_second : triad_bytes_per_second;
  }
};

// An implementation with its memory. On a GPU, run queues the work.
struct Runner {
  std::function<void()> run;
  // Sum of the magnitudes of what was computed, for a look at whether all contenders did the same; may be
  // null.
  std::function<double()> digest;
};

struct Contender {
  std::string name;
  std::function<Runner()> make;
};

struct Case {
  std::string kernel;
  std::string shape;       // "resnet56/layer1"
  std::string dimensions;  // "128x32x32x16"
  Work work;
  bool tensor_cores = false;  // its operations are a matrix product that tensor cores can take
  std::vector<Contender> contenders;
};

// A device to measure on.
class Machine {
 public:
  virtual ~Machine() = default;
  [[nodiscard]] virtual std::string kind() const = 0;         // "cpu", "cuda"
  [[nodiscard]] virtual std::string description() const = 0;  // processor, threads, driver
  [[nodiscard]] virtual Ceilings ceilings(double seconds) = 0;
  // Seconds of each run, caches swept before it, after one that does not count: three at least, and until
  // `seconds` have gone by. The first one alone where it takes longer than that.
  [[nodiscard]] virtual std::vector<double> time(const Runner& runner, double seconds) = 0;
  [[nodiscard]] virtual std::vector<Case> cases(const BenchOptions& options) = 0;
};

// fp32 only.
[[nodiscard]] std::unique_ptr<Machine> make_host_machine();
// Null where this build or this machine has no CUDA; `reason` then says which.
[[nodiscard]] std::unique_ptr<Machine> make_cuda_machine(std::string& reason);

// One implementation of a case, measured.
struct Result {
  std::string kernel;
  std::string shape;
  std::string dimensions;
  std::string implementation;
  Work work;
  double floor_seconds = 0;
  bool memory_bound = true;
  std::vector<double> seconds;  // every run, in order
  double digest = 0;

  [[nodiscard]] double median() const;
  [[nodiscard]] double least() const;
  [[nodiscard]] double most() const;
  // Share of what the machine allows: floor over median.
  [[nodiscard]] double fraction() const { return floor_seconds / median(); }
};

// Whether the patterns of the options take a kernel and a shape.
[[nodiscard]] bool selected(const BenchOptions& options, const std::string& kernel, const std::string& shape);

// The least time that the ceilings allow; `memory_bound` says which of them decides.
[[nodiscard]] double floor_seconds(const Case& one, const Ceilings& ceilings, bool& memory_bound);

}  // namespace secateur::bench
