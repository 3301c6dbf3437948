// Devices and streams of the CUDA back end: memory, handles, the caller's own stream and allocator, errors.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <numeric>

#include "backend/cuda/cuda_device.h"
#include "io/temporary_folder.h"
#include "secateur/backend/cuda.h"
#include "secateur/backend/open_device.h"
#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "selftest/network_run.h"
#include "selftest/small_networks.h"

namespace secateur {
namespace {

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "(no error)";
}

class CountingAllocator final : public Allocator {
 public:
  void* allocate(std::int64_t bytes) override {
    void* memory = nullptr;
    require(cudaMalloc(&memory, static_cast<std::size_t>(bytes)) == cudaSuccess, "no memory");
    ++pieces;
    held += bytes;
    return memory;
  }
  void release(void* memory, std::int64_t bytes) noexcept override {
    cudaFree(memory);
    --pieces;
    held -= bytes;
  }
  int pieces = 0;
  std::int64_t held = 0;
};

TEST(CudaDevice, CopiesThereAndBack) {
  const auto device = open_device(DeviceKind::cuda);
  EXPECT_EQ(device->kind(), DeviceKind::cuda);
  EXPECT_EQ(device->description(), "simulated GPU (driver for CUDA 13.0, cuDNN 9.19.0)");
  const auto stream = device->make_stream();
  Slab a(*device, 1000);
  Slab b(*device, 1000);
  std::vector<std::byte> bytes(1000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7);
  stream->copy_to_device(a.data(), bytes.data(), 1000);
  stream->copy(b.data(), a.data(), 1000);
  std::vector<std::byte> back(1000);
  stream->copy_to_host(back.data(), b.data(), 1000);
  EXPECT_EQ(back, bytes);
  stream->zero(b.data(), 500);
  stream->copy_to_host(back.data(), b.data(), 1000);
  EXPECT_EQ(back[499], std::byte{0});
  EXPECT_EQ(back[500], bytes[500]);
}

// A host address where a device's is meant, and the other way round.
TEST(CudaDevice, MisplacedCopiesAreErrors) {
  const auto device = open_device(DeviceKind::cuda);
  const auto stream = device->make_stream();
  Slab slab(*device, 256);
  std::vector<std::byte> host(256);
  EXPECT_NE(
      error_of([&] { stream->copy_to_device(host.data(), host.data(), 256); }).find("copying 256 bytes"),
      std::string::npos);
  EXPECT_THROW(stream->copy_to_host(host.data(), host.data(), 256), Error);
  EXPECT_THROW(stream->copy(slab.data(), host.data(), 256), Error);
  EXPECT_THROW(stream->copy_to_device(slab.data(), host.data(), 257), Error);
}

TEST(CudaDevice, OutOfMemoryTellsHowMuchThereWas) {
  const auto device = open_device(DeviceKind::cuda);
  const std::string error = error_of([&] { Slab(*device, std::int64_t{1} << 35); });
  EXPECT_NE(error.find("34359738368 bytes were asked for, 17179869184 of 17179869184 are free"),
            std::string::npos)
      << error;
  EXPECT_EQ(device->allocated_bytes(), 0);
}

TEST(CudaDevice, ThereIsOneGpu) {
  EXPECT_FALSE(why_no_device(DeviceKind::cuda).has_value());
  EXPECT_NE(why_no_device(DeviceKind::cuda, 3).value_or("").find("no GPU 3: 1 found"), std::string::npos);
  EXPECT_THROW(static_cast<void>(open_device(DeviceKind::cuda, {.ordinal = 3})), Error);
}

TEST(CudaDevice, TheCallersAllocatorGetsEveryPieceBack) {
  const auto allocator = std::make_shared<CountingAllocator>();
  {
    const auto device = open_device(DeviceKind::cuda, {.allocator = allocator});
    const auto stream = device->make_stream();
    Model model(selftest::small_resnet(), *device);
    model.initialize(3, *stream);
    Arena arena(*device);
    Program program(model, arena, *stream, {.batch = 2, .precision = Precision::bf16});
    write_values(program.images(),
                 std::vector<double>(static_cast<std::size_t>(program.images().count()), 0.5), *stream);
    program.forward({});
    EXPECT_GT(allocator->pieces, 1);
  }
  EXPECT_EQ(allocator->pieces, 0);
  EXPECT_EQ(allocator->held, 0);
}

// An engine: device, memory and stream of its own.
class Engine {
 public:
  Engine(std::shared_ptr<CountingAllocator> allocator, std::uint64_t seed)
      : device_(open_device(DeviceKind::cuda, {.allocator = std::move(allocator)})),
        stream_(device_->make_stream()),
        arena_(*device_),
        model_(selftest::small_resnet(), *device_) {
    model_.initialize(seed, *stream_);
    program_ = std::make_unique<Program>(model_, arena_, *stream_,
                                         ProgramOptions{.batch = 4, .mode = ProgramMode::train});
    selftest::NoiseSource(model_.graph().shape(0), 5, 4, seed)
        .fill(0, 4, *stream_, program_->images(), program_->labels());
  }
  void forward() { program_->forward({.samples = 4}); }
  void backward() { program_->backward({.samples = 4}); }
  // The gradient of every weight, as bits.
  std::vector<std::byte> gradients() {
    const std::int64_t bytes = model_.layout().trained_elements * size_of(model_.dtype());
    std::vector<std::byte> result(static_cast<std::size_t>(bytes));
    stream_->copy_to_host(result.data(), model_.gradients(), bytes);
    return result;
  }

 private:
  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  Arena arena_;
  Model model_;
  std::unique_ptr<Program> program_;
};

// The simulated GPU runs one kernel at a time, so the engines take turns; on the CPU they run on two threads
// (tests/consumer/engine/own_network.cpp).
TEST(CudaDevice, TwoEnginesInTurnsComputeAsAloneAndGiveEveryByteBack) {
  const std::array<std::shared_ptr<CountingAllocator>, 2> memory{std::make_shared<CountingAllocator>(),
                                                                 std::make_shared<CountingAllocator>()};
  std::array<std::vector<std::byte>, 2> alone;
  for (std::uint64_t e = 0; e < 2; ++e) {
    Engine engine(memory.at(e), e + 1);
    engine.forward();
    engine.backward();
    alone.at(e) = engine.gradients();
  }
  ASSERT_NE(alone[0], alone[1]);
  {
    Engine first(memory[0], 1);
    Engine second(memory[1], 2);
    first.forward();
    second.forward();
    first.backward();
    second.backward();
    EXPECT_TRUE(first.gradients() == alone[0]);
    EXPECT_TRUE(second.gradients() == alone[1]);
    EXPECT_GT(memory[0]->held, 0);
    EXPECT_GT(memory[1]->held, 0);
  }
  for (const auto& allocator : memory) {
    EXPECT_EQ(allocator->held, 0);
    EXPECT_EQ(allocator->pieces, 0);
  }
}

TEST(CudaDevice, TheCallersStreamIsUsedAndLeftAlone) {
  const auto device = open_device(DeviceKind::cuda);
  cudaStream_t own = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking), cudaSuccess);
  {
    const auto stream = wrap_cuda_stream(*device, own);
    EXPECT_EQ(cuda_stream_handle(*stream), own);
  }
  EXPECT_THROW(static_cast<void>(wrap_cuda_stream(*device, nullptr)), Error);
  const auto host = make_host_device(DeviceKind::cpu);
  EXPECT_THROW(static_cast<void>(wrap_cuda_stream(*host, own)), Error);
  EXPECT_THROW(static_cast<void>(cuda_stream_handle(*host->make_stream())), Error);
  EXPECT_EQ(cudaStreamDestroy(own), cudaSuccess);
}

TEST(CudaDevice, TwoStreamsHaveTheirOwnHandlesAndScratch) {
  const auto device = open_device(DeviceKind::cuda);
  const auto first = device->make_stream();
  const auto second = device->make_stream();
  CudaStream& a = cuda_stream(*first);
  CudaStream& b = cuda_stream(*second);
  EXPECT_NE(&a.conv_plans(), &b.conv_plans());
  void* small = a.scratch(100);
  EXPECT_EQ(a.scratch(1000), small);
  EXPECT_NE(b.scratch(100), small);
  EXPECT_NE(a.scratch(std::int64_t{1} << 20), nullptr);
}

// What one stream chose another takes from a file; nothing is written where nothing was chosen anew.
TEST(CudaDevice, ChoicesOfEnginesAreKeptInAFile) {
  const test::TemporaryFolder folder;
  const auto device = open_device(DeviceKind::cuda);
  ConvProblem problem;
  problem.batch = 2;
  problem.input = problem.output = {4, 4, 8};
  const auto first = device->make_stream();
  EXPECT_NO_THROW(recall_conv_choices(*first, folder / "none.json"));
  static_cast<void>(cuda_stream(*first).conv_plans().find(problem));
  keep_conv_choices(*first, folder / "kept.json");

  const auto second = device->make_stream();
  recall_conv_choices(*second, folder / "kept.json");
  static_cast<void>(cuda_stream(*second).conv_plans().find(problem));
  EXPECT_EQ(cuda_stream(*second).conv_plans().recalled(), 1);
  keep_conv_choices(*second, folder / "again.json");
  EXPECT_FALSE(std::filesystem::exists(folder / "again.json"));

  std::ofstream(folder / "damaged.json") << "{";
  EXPECT_THROW(recall_conv_choices(*second, folder / "damaged.json"), Error);
}

// A warm step takes no memory anew.
TEST(CudaDevice, AWarmStepAllocatesNothing) {
  selftest::WholeModel whole(selftest::small_resnet(), DeviceKind::cuda, Precision::fp16, 7);
  Program program(whole.model, whole.arena, *whole.stream,
                  {.batch = 4, .mode = ProgramMode::train, .precision = whole.precision});
  selftest::NoiseSource source(whole.model.graph().shape(0), 5, 4, 11);
  const auto step = [&] {
    source.fill(0, 4, *whole.stream, program.images(), program.labels());
    program.forward({.samples = 4});
    program.backward({.samples = 4});
  };
  step();
  const std::int64_t before = whole.device->allocations();
  step();
  EXPECT_EQ(whole.device->allocations(), before);
}

}  // namespace
}  // namespace secateur
