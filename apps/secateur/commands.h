// The words of the program. Each returns the exit code: 0 only if the work was done.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "secateur/bench/bench.h"
#include "secateur/option_flags.h"
#include "secateur/run_options.h"
#include "secateur/session.h"
#include "secateur/train/trainer.h"

namespace secateur::app {

// The trainer's settings for a run.
[[nodiscard]] TrainerOptions trainer_options(const RunOptions& options, const Session& session);
// "memory: 1.0 MiB of parameters, 46.8 MiB of activations at batch 64; AMD EPYC", with the peak where the
// device tells what it has. Throws Error where a step does not fit (Trainer::planned_bytes).
[[nodiscard]] std::string memory_text(const Model& model, Trainer& trainer);

// Trains in `folder`. `toml` is the merged recipe, stored with the run.
int run_train(const RunOptions& options, const std::string& toml, const RunFolder& folder, bool resume);

struct PruneArguments {
  std::filesystem::path weights;  // the base; empty with resume
  bool resume = false;
};
// Settles what follows from other options, so that the stored recipe says all of it.
void complete_prune_options(RunOptions& options, const OptionFlags& flags);
// Prunes in `folder`; `toml` as above.
int run_prune(const RunOptions& options, const std::string& toml, const RunFolder& folder,
              const PruneArguments& arguments);
// Prints the plan of the first round.
int run_prune_preview(const RunOptions& options, const std::string& toml, const PruneArguments& arguments);

int run_eval(RunOptions options, const std::filesystem::path& weights, const std::string& part, bool json);

struct InspectArguments {
  std::string target;  // a file of weights, or a network's name; empty lists the networks
  bool json = false;
  bool verify = false;         // compare masked and removed
  std::filesystem::path base;  // the unpruned model to verify against
};
int run_inspect(RunOptions options, const InspectArguments& arguments);

struct FetchArguments {
  std::string name;
  std::filesystem::path directory = "data-sets";
  std::string url;  // of a mirror; empty: the publisher's
  std::string md5;  // of the mirror's archive; empty: it must be the publisher's
};
int run_data_fetch(const FetchArguments& arguments);
int run_data_info(const RunOptions& options);

struct PackArguments {
  std::filesystem::path file;
  std::int64_t size = 0;  // shorter side, 0: images keep their size
  int quality = 90;
  bool raw = false;
  bool as_is = false;  // JPEGs byte for byte, without restart markers
};
// Packs the image folder of options.data into one file. Goes on with an interrupted one.
int run_data_pack(const RunOptions& options, const PackArguments& arguments);
// Reads and decodes every record. 1 where one is damaged.
int run_data_verify(const std::filesystem::path& file);

// Fills in the demo's own settings first, where none were given.
int run_demo(RunOptions& options, OptionFlags& flags);

// Measures kernels on the layers of real networks, beside the machine's ceilings and other implementations.
int run_bench_kernels(const bench::BenchOptions& options);

struct ScoreBenchOptions {
  std::int64_t images = 32;
  std::int64_t batch = 32;
  std::int64_t runs = 5;
  std::filesystem::path json;
};
// Measures the cost of scoring all channels of options.model, with random weights, against a forward pass.
int run_bench_score(const RunOptions& options, const ScoreBenchOptions& bench);

struct TrainBenchOptions {
  std::filesystem::path weights;  // a stored network; empty: options.model with random weights
  std::int64_t batch = 128;
  std::int64_t steps = 10;  // of a block
  std::int64_t blocks = 5;
  std::string input = "augmented";  // or fixed: one batch, copied; or data: options.data's training images
  std::string fuse = "auto";        // or off: batch norm in the convolutions around it
  std::string against;              // "pytorch", or empty
  std::string python = "python3";
  std::filesystem::path json;
};
// Measures training steps, and those of PyTorch in turns.
int run_bench_train(const RunOptions& options, const TrainBenchOptions& bench);

struct InferBenchOptions {
  std::vector<std::filesystem::path> weights;  // stored networks; empty: options.model with random weights
  std::vector<std::int64_t> batches;           // empty: 1 and 128
  std::vector<std::int64_t> round_to;          // compare widths cut to `budget` and rounded to these
  double budget = 0.5;
  std::string gpu;  // floors of a GPU that is described, in place of measuring here
  std::int64_t blocks = 7;
  double seconds = 0.2;  // of a block, at least
  std::string against;   // "onnxruntime", or empty
  std::string python = "python3";
  std::filesystem::path json;
};
// Measures latency and throughput, and those of ONNX Runtime in turns.
int run_bench_infer(const RunOptions& options, const InferBenchOptions& bench);
// The same networks and widths on a GPU that is described: floors of their convolutions, by stored widths,
// and in a build with CUDA the passes that lose a fast path.
int run_bench_infer_plan(const RunOptions& options, const InferBenchOptions& bench);

struct LoaderBenchOptions {
  std::filesystem::path packed;  // a packed file of the same images, measured in turns; empty: none
  std::int64_t batch = 64;
  std::int64_t steps = 10;  // batches of a block
  std::int64_t blocks = 5;  // that count
  std::string against;      // "" or pytorch
  std::string python = "python3";
  std::filesystem::path json;
};
// Measures reading, decoding, cropping and scaling of the training images, without a network.
int run_bench_loader(const RunOptions& options, const LoaderBenchOptions& bench);

struct PlanArguments {
  std::string gpu;     // a name or a file; empty lists the names
  std::string target;  // a file of weights, or a network's name; empty shows the GPU
  std::int64_t batch = 128;
  bool inference = false;
  bool json = false;
};
// Plans a network for a GPU that need not be there. 1 where a convolution has no engine.
int run_plan(RunOptions options, const PlanArguments& arguments);

struct SelftestArguments {
  std::string device = "cpu";
  std::string filter;  // only checks whose part/name holds this
  bool quick = false;  // without whole networks at their real size
  std::filesystem::path json;
};
// Compares a device with the float64 reference. 1 where a check fails.
int run_selftest(const SelftestArguments& arguments);

int run_doctor();
// Writes the description of the first GPU of this machine as JSON, for `secateur plan --gpu FILE`.
int run_describe_gpu();
int run_version();

}  // namespace secateur::app
