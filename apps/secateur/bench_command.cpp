// secateur bench kernels: measures, prints, writes JSON and a roofline.
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <set>
#include <span>

#include "secateur/bench/bench_report.h"
#include "secateur/bench/contest.h"
#include "secateur/bench/onednn_runners.h"
#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/core/names.h"
#include "secateur/io/files.h"

namespace secateur::app {
namespace {

using bench::BenchOptions;
using bench::Machine;

// Load average below which a machine counts as quiet: a kernel's own daemons, no second program.
constexpr double kQuietLoad = 0.5;

std::unique_ptr<Machine> open_machine(const BenchOptions& options) {
  require(options.device == "auto" || options.device == "cpu" || options.device == "cuda",
          "--device is auto, cpu or cuda, not '{}'", options.device);
  if (options.device != "cpu") {
    std::string reason;
    if (auto machine = bench::make_cuda_machine(reason)) return machine;
    require(options.device == "auto", "--device cuda: {}", reason);
    fmt::print("No GPU was measured ({}): these are the CPU's own kernels of the same contracts.\n", reason);
  }
  require(options.precision == Precision::fp32,
          "the CPU's kernels compute in fp32; --precision {} takes a GPU", name_of(options.precision));
  return bench::make_host_machine();
}

// The cases that the patterns leave, or an error that lists what there is.
std::vector<bench::Case> chosen_cases(Machine& machine, const BenchOptions& options) {
  std::vector<bench::Case> cases = machine.cases(options);
  if (!cases.empty()) return cases;
  BenchOptions all = options;
  all.kernel = all.shape = "*";
  std::set<std::string> kernels;
  std::set<std::string> shapes;
  for (const bench::Case& one : machine.cases(all)) {
    kernels.insert(one.kernel);
    shapes.insert(one.shape);
  }
  fail("no kernel '{}' with shape '{}'. Kernels: {}. Shapes: {}. Both take * and ?", options.kernel,
       options.shape, fmt::join(kernels, ", "), fmt::join(shapes, ", "));
}

std::vector<bench::Result> measure(Machine& machine, const bench::Case& one, const bench::Ceilings& ceilings,
                                   double seconds) {
  std::vector<bench::Result> results;
  for (const bench::Contender& contender : one.contenders) {
    const bench::Runner runner = contender.make();
    bench::Result result;
    result.kernel = one.kernel;
    result.shape = one.shape;
    result.dimensions = one.dimensions;
    result.implementation = contender.name;
    result.work = one.work;
    result.floor_seconds = bench::floor_seconds(one, ceilings, result.memory_bound);
    result.seconds = machine.time(runner, seconds);
    result.digest = runner.digest ? runner.digest() : std::numeric_limits<double>::quiet_NaN();
    results.push_back(std::move(result));
  }
  return results;
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

}  // namespace

int run_bench_kernels(const BenchOptions& options) {
  require(options.seconds > 0, "--seconds must be above 0, is {}", options.seconds);
  require(options.batch >= 0, "--batch must not be negative, is {}", options.batch);
  const auto machine = open_machine(options);
  const std::vector<bench::Case> cases = chosen_cases(*machine, options);

  bench::Report report;
  report.device_kind = machine->kind();
  report.device = machine->description();
  report.libraries = bench::onednn::version();
  report.started = bench::time_now();
  report.options = options;
  report.load_before = bench::load_average();
  constexpr double kCeilingSeconds = 0.3;  // for each, at least: everything is judged by them
  report.ceilings = machine->ceilings(std::max(options.seconds, kCeilingSeconds));
  const bench::Ceilings& c = report.ceilings;
  fmt::print("{}, {}; load {:.2f}\n", report.device, name_of(options.precision), report.load_before);
  fmt::print(
      "ceilings, measured now: copy {:.1f} GB/s, triad {:.1f} GB/s, fp32 multiply-adds {:.1f} GFLOP/s{}\n",
      1e-9 * c.copy_bytes_per_second, 1e-9 * c.triad_bytes_per_second, 1e-9 * c.fma_per_second,
      c.tensor_per_second > 0 ? fmt::format(", tensor cores {:.1f} TFLOP/s", 1e-12 * c.tensor_per_second)
                              : "");
  for (std::size_t i = 0; i < cases.size(); ++i) {
    fmt::print(stderr, "[{}/{}] {} {}\n", i + 1, cases.size(), cases[i].kernel, cases[i].shape);
    for (bench::Result& result : measure(*machine, cases[i], c, options.seconds)) {
      report.results.push_back(std::move(result));
    }
  }
  report.load_after = bench::load_average();
  fmt::print("{}", bench::terminal_table(report.results));
  fmt::print(
      "Medians; caches swept before each run. GB/s and GFLOP/s: the least bytes and operations of the work "
      "over its\n"
      "time. Of floor: the time that the ceilings allow over the time taken, and whether memory (mem) or "
      "arithmetic\n"
      "(fma) binds; above 100 % where something stayed in a cache, or where the ceilings were disturbed. "
      "Load "
      "afterwards {:.2f}.\n",
      report.load_after);
  if (report.load_before > kQuietLoad) {
    fmt::print(
        "Other programs ran beside this one (load {:.2f} before it began): these figures are no result.\n",
        report.load_before);
  }
  if (!options.json.empty()) write_text(options.json, bench::json_text(report));
  if (!options.svg.empty()) write_text(options.svg, bench::roofline_svg(report));
  return 0;
}

}  // namespace secateur::app
