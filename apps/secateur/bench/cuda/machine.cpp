// The GPU: its ceilings, and how work on it is timed.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "secateur/bench/bench.h"
#include "secateur/bench/cuda/cases.h"
#include "secateur/bench/cuda/device.h"
#include "secateur/core/error.h"

namespace secateur::bench {

void check_cuda(cudaError_t error, const char* what) {
  require(error == cudaSuccess, "{}: {}", what, cudaGetErrorString(error));
}

DeviceArray::DeviceArray(std::int64_t bytes) : bytes_(bytes) {
  check_cuda(cudaMalloc(&data_, static_cast<std::size_t>(std::max<std::int64_t>(bytes, 16))),
             "device memory");
}

DeviceArray::~DeviceArray() { static_cast<void>(cudaFree(data_)); }

namespace {

class CudaMachine final : public Machine {
 public:
  explicit CudaMachine(int device) {
    check_cuda(cudaSetDevice(device), "choosing the GPU");
    check_cuda(cudaGetDeviceProperties(&properties_, device), "asking what the GPU is");
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
    check_cuda(cudaEventCreate(&start_), "an event");
    check_cuda(cudaEventCreate(&stop_), "an event");
    // Twice the second-level cache, and enough that the host queues the next work while it is written.
    constexpr std::int64_t kLeast = std::int64_t{128} << 20;
    sweep_ = std::make_unique<DeviceArray>(std::max<std::int64_t>(kLeast, 2 * properties_.l2CacheSize));
  }
  ~CudaMachine() override {
    sweep_.reset();
    static_cast<void>(cudaEventDestroy(stop_));
    static_cast<void>(cudaEventDestroy(start_));
    static_cast<void>(cudaStreamDestroy(stream_));
  }

  std::string kind() const override { return "cuda"; }

  std::string description() const override {
    int driver = 0;
    int runtime = 0;
    static_cast<void>(cudaDriverGetVersion(&driver));
    static_cast<void>(cudaRuntimeGetVersion(&runtime));
    return fmt::format("{}, sm_{}{}, {} multiprocessors, driver for CUDA {}.{}, runtime {}.{}",
                       properties_.name, properties_.major, properties_.minor,
                       properties_.multiProcessorCount, driver / 1000, driver % 1000 / 10, runtime / 1000,
                       runtime % 1000 / 10);
  }

  Ceilings ceilings(double seconds) override {
    Ceilings result;
    constexpr std::int64_t kBytes = std::int64_t{512} << 20;
    constexpr std::int64_t kCount = kBytes / 4;
    const DeviceArray a(kBytes);
    const DeviceArray b(kBytes);
    const DeviceArray c(kBytes);
    fill_random(a.data(), kernels::DType::f32, kCount, 1, stream_);
    fill_random(b.data(), kernels::DType::f32, kCount, 2, stream_);
    const auto best = [&](const std::function<void()>& body) {
      return std::ranges::min(time({body, nullptr}, seconds));
    };
    const auto bytes = static_cast<double>(kBytes);
    result.copy_bytes_per_second = 2 * bytes / best([&] { copy_bytes(c.data(), a.data(), kBytes, stream_); });
    result.triad_bytes_per_second =
        3 * bytes / best([&] { triad(c.as<float>(), a.as<float>(), b.as<float>(), kCount, stream_); });
    double operations = 0;
    const int multiprocessors = properties_.multiProcessorCount;
    const double fma = best([&] { operations = multiply_adds(c.as<float>(), multiprocessors, stream_); });
    result.fma_per_second = operations / fma;
    const double matrix =
        best([&] { operations = matrix_multiply_adds(c.as<float>(), multiprocessors, stream_); });
    result.tensor_per_second = operations / matrix;
    return result;
  }

  std::vector<double> time(const Runner& runner, double seconds) override {
    const double first = timed(runner);
    if (first >= seconds) return {first};
    constexpr std::size_t kLeast = 5;
    std::vector<double> times;
    const auto begin = std::chrono::steady_clock::now();
    while (times.size() < kLeast ||
           std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < seconds) {
      times.push_back(timed(runner));
    }
    return times;
  }

  std::vector<Case> cases(const BenchOptions& options) override { return cuda_cases(options, stream_); }

 private:
  // Between two events, with the sweep before them still running while the work is queued: what the host
  // takes to launch is hidden as it is in a training step.
  double timed(const Runner& runner) {
    check_cuda(cudaMemsetAsync(sweep_->data(), 1, static_cast<std::size_t>(sweep_->bytes()), stream_),
               "the sweep");
    check_cuda(cudaEventRecord(start_, stream_), "an event");
    runner.run();
    check_cuda(cudaEventRecord(stop_, stream_), "an event");
    check_cuda(cudaEventSynchronize(stop_), "the work on the GPU");
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, start_, stop_), "the time between events");
    return 1e-3 * static_cast<double>(milliseconds);
  }

  cudaDeviceProp properties_{};
  cudaStream_t stream_ = nullptr;
  cudaEvent_t start_ = nullptr;
  cudaEvent_t stop_ = nullptr;
  std::unique_ptr<DeviceArray> sweep_;
};

}  // namespace

std::unique_ptr<Machine> make_cuda_machine(std::string& reason) {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    reason = error != cudaSuccess ? fmt::format("no GPU that CUDA can use: {}", cudaGetErrorString(error))
                                  : "there is no GPU";
    return nullptr;
  }
  return std::make_unique<CudaMachine>(0);
}

}  // namespace secateur::bench
