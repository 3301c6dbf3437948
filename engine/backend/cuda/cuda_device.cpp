#include "backend/cuda/cuda_device.h"

#include <sys/mman.h>

#include <algorithm>

#include "backend/cuda/cuda_graph.h"
#include "backend/cuda/host_transfer.h"
#include "secateur/backend/cuda.h"
#include "secateur/core/error.h"
#include "secateur/core/log.h"
#include "secateur/io/files.h"

namespace secateur {
namespace {

// Makes a GPU the current one of this thread.
void make_gpu_current(int ordinal) {
  int current = -1;
  check_cuda(cudaGetDevice(&current), "asking for the current GPU");
  if (current != ordinal) check_cuda(cudaSetDevice(ordinal), fmt::format("choosing GPU {}", ordinal));
}

// A destructor cannot throw; that something could not be given back is worth a line all the same.
void report(cudaError_t error, const char* what) noexcept {
  if (error != cudaSuccess) log_line(std::string(what) + ": " + cudaGetErrorString(error));
}

class CudaAllocator final : public Allocator {
 public:
  explicit CudaAllocator(int ordinal) : ordinal_(ordinal) {}

  void* allocate(std::int64_t bytes) override {
    make_gpu_current(ordinal_);
    void* memory = nullptr;
    const cudaError_t error = cudaMalloc(&memory, static_cast<std::size_t>(bytes));
    if (error == cudaSuccess) return memory;
    static_cast<void>(cudaGetLastError());  // not to be found again by an unrelated call
    std::size_t free = 0;
    std::size_t total = 0;
    static_cast<void>(cudaMemGetInfo(&free, &total));
    fail("GPU {}: {} bytes were asked for, {} of {} are free: {}", ordinal_, bytes, free, total,
         cudaGetErrorString(error));
  }

  void release(void* memory, std::int64_t /*bytes*/) noexcept override {
    int current = ordinal_;
    report(cudaGetDevice(&current), "asking for the current GPU");
    if (current != ordinal_) report(cudaSetDevice(ordinal_), "choosing the GPU of a piece of memory");
    report(cudaFree(memory), "giving back GPU memory");
  }

 private:
  int ordinal_;
};

// Addresses that nothing may touch: a device that is only described has places, but no memory.
class AddressAllocator final : public Allocator {
 public:
  void* allocate(std::int64_t bytes) override {
    void* memory = mmap(nullptr, static_cast<std::size_t>(bytes), PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(memory != MAP_FAILED, "no room for {} addresses", bytes);
    return memory;
  }
  void release(void* memory, std::int64_t bytes) noexcept override {
    munmap(memory, static_cast<std::size_t>(bytes));
  }
};

// "NVIDIA H200 (driver for CUDA 13.0, cuDNN 9.19.0)": what a result must name beside the GPU.
std::string gpu_name(int ordinal) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, ordinal), fmt::format("GPU {}", ordinal));
  int driver = 0;
  check_cuda(cudaDriverGetVersion(&driver), "asking for the driver's version");
  const auto cudnn = static_cast<int>(cudnnGetVersion());
  return fmt::format("{} (driver for CUDA {}.{}, cuDNN {}.{}.{})", properties.name, driver / 1000,
                     driver % 1000 / 10, cudnn / 10000, cudnn % 10000 / 100, cudnn % 100);
}

std::shared_ptr<Allocator> or_cuda_malloc(std::shared_ptr<Allocator> allocator, int ordinal) {
  return allocator != nullptr ? std::move(allocator) : std::make_shared<CudaAllocator>(ordinal);
}

CudaDevice& cuda_device_of(Device& device) {
  auto* cuda = dynamic_cast<CudaDevice*>(&device);
  require(cuda != nullptr, "a device of kind {} is none of the CUDA back end", name_of(device.kind()));
  return *cuda;
}

}  // namespace

CudaDevice::CudaDevice(int ordinal, std::shared_ptr<Allocator> allocator)
    : Device(DeviceKind::cuda, or_cuda_malloc(std::move(allocator), ordinal)),
      ordinal_(ordinal),
      name_(gpu_name(ordinal)) {}

CudaDevice::CudaDevice(GpuDescription gpu)
    : Device(DeviceKind::cuda, std::make_shared<AddressAllocator>()),
      name_(gpu.name + " (described)"),
      described_(std::move(gpu)) {}

std::unique_ptr<Stream> CudaDevice::make_stream() { return std::make_unique<CudaStream>(*this, nullptr); }

std::optional<std::int64_t> CudaDevice::free_bytes() const {
  if (described()) return std::nullopt;
  make_gpu_current(ordinal_);
  std::size_t free = 0;
  std::size_t total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), fmt::format("asking for the free memory of GPU {}", ordinal_));
  return static_cast<std::int64_t>(free);
}

std::shared_ptr<Allocator> CudaDevice::host_allocator() {
  if (described()) return Device::host_allocator();
  return std::make_shared<cuda::PinnedAllocator>(ordinal_);
}

std::unique_ptr<Event> CudaDevice::make_event() {
  if (described()) return Device::make_event();
  return std::make_unique<cuda::CudaEvent>(ordinal_);
}

CudaStream::CudaStream(CudaDevice& device, cudaStream_t handle)
    : Stream(device), handle_(handle), owned_(handle == nullptr && !device.described()) {
  if (!owned_) return;
  make_gpu_current(device.ordinal());
  check_cuda(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "making a CUDA stream");
}

CudaStream::~CudaStream() {
  conv_plans_.reset();
  if (cudnn_ != nullptr && cudnnDestroy(cudnn_) != CUDNN_STATUS_SUCCESS) {
    log_line("a cuDNN handle could not be given back");
  }
  if (cublas_lt_ != nullptr && cublasLtDestroy(cublas_lt_) != CUBLAS_STATUS_SUCCESS) {
    log_line("a cuBLASLt handle could not be given back");
  }
  if (owned_) report(cudaStreamDestroy(handle_), "giving back a CUDA stream");
}

CudaDevice& CudaStream::cuda_device() const { return static_cast<CudaDevice&>(device()); }

cudnnHandle_t CudaStream::cudnn() {
  if (cudnn_ == nullptr && !cuda_device().described()) {
    make_current();
    check_cudnn(cudnnCreate(&cudnn_), "making a cuDNN handle");
    check_cudnn(cudnnSetStream(cudnn_, handle_), "giving cuDNN its stream");
  }
  return cudnn_;
}

cublasLtHandle_t CudaStream::cublas_lt() {
  if (cublas_lt_ == nullptr && !cuda_device().described()) {
    make_current();
    check_cublas(cublasLtCreate(&cublas_lt_), "making a cuBLASLt handle");
  }
  return cublas_lt_;
}

ConvPlanCache& CudaStream::conv_plans() {
  if (conv_plans_ == nullptr) {
    conv_plans_ = cuda_device().described() ? std::make_unique<ConvPlanCache>(cuda_device().gpu())
                                            : std::make_unique<ConvPlanCache>(cudnn());
  }
  return *conv_plans_;
}

void* CudaStream::scratch(std::int64_t bytes) {
  require(!recorded_, "work that is recorded cannot use a stream's scratch memory");
  if (bytes > scratch_.bytes()) {
    synchronize();  // work that was queued may still use the old one
    scratch_ = Slab();
    scratch_ = Slab(device(), align_up(bytes, std::int64_t{1} << 16));
  }
  return scratch_.data();
}

void CudaStream::make_current() {
  if (!cuda_device().described()) make_gpu_current(cuda_device().ordinal());
}

void CudaStream::synchronize() {
  if (cuda_device().described()) return;
  make_current();
  check_cuda(cudaStreamSynchronize(handle_), "waiting for a CUDA stream");
}

void CudaStream::wait_for(Event& event) {
  if (cuda_device().described()) return;
  auto* cuda = dynamic_cast<cuda::CudaEvent*>(&event);
  require(cuda != nullptr, "a CUDA stream waits for events of its own device");
  make_current();
  check_cuda(cudaStreamWaitEvent(handle_, cuda->handle(), 0), "making a stream wait for an event");
}

void CudaStream::copy_bytes(void* destination, const void* source, std::int64_t bytes, cudaMemcpyKind kind) {
  if (bytes <= 0 || cuda_device().described()) return;
  make_current();
  check_cuda(cudaMemcpyAsync(destination, source, static_cast<std::size_t>(bytes), kind, handle_),
             fmt::format("copying {} bytes", bytes));
}

void CudaStream::copy_to_device(void* destination, const void* host, std::int64_t bytes) {
  copy_bytes(destination, host, bytes, cudaMemcpyHostToDevice);
}

void CudaStream::copy_to_host(void* host, const void* source, std::int64_t bytes) {
  require(!cuda_device().described(), "{}: nothing can be read from a GPU that is not there",
          device().description());
  copy_bytes(host, source, bytes, cudaMemcpyDeviceToHost);
  synchronize();
}

void CudaStream::copy(void* destination, const void* source, std::int64_t bytes) {
  copy_bytes(destination, source, bytes, cudaMemcpyDeviceToDevice);
}

void CudaStream::zero(void* destination, std::int64_t bytes) {
  if (bytes <= 0 || cuda_device().described()) return;
  make_current();
  check_cuda(cudaMemsetAsync(destination, 0, static_cast<std::size_t>(bytes), handle_),
             fmt::format("clearing {} bytes", bytes));
}

std::unique_ptr<Recording> CudaStream::record(const std::function<void()>& work) {
  require(can_record(), "{}: a GPU that is only described runs nothing", device().description());
  make_current();
  recorded_ = true;
  try {
    auto graph = std::make_unique<cuda::CudaGraph>(handle_, work);
    recorded_ = false;
    return graph;
  } catch (...) {
    recorded_ = false;
    throw;
  }
}

CudaStream& cuda_stream(Stream& stream) {
  auto* cuda = dynamic_cast<CudaStream*>(&stream);
  require(cuda != nullptr, "a stream of a {} device is no CUDA stream", name_of(stream.device().kind()));
  return *cuda;
}

std::unique_ptr<Stream> wrap_cuda_stream(Device& device, CUstream_st* stream) {
  CudaDevice& cuda = cuda_device_of(device);
  require(!cuda.described(), "{}: a GPU that is not there has no streams", cuda.description());
  require(stream != nullptr, "the null stream cannot be wrapped: make one with cudaStreamCreate");
  return std::make_unique<CudaStream>(cuda, stream);
}

CUstream_st* cuda_stream_handle(Stream& stream) { return cuda_stream(stream).handle(); }

std::unique_ptr<Device> make_described_cuda_device(const GpuDescription& gpu) {
  return std::make_unique<CudaDevice>(gpu);
}

void recall_conv_choices(Stream& stream, const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return;
  const std::vector<std::byte> bytes = read_file(file);
  cuda_stream(stream).conv_plans().recall(
      ConvChoices::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file.string()));
}

void keep_conv_choices(Stream& stream, const std::filesystem::path& file) {
  const ConvPlanCache& plans = cuda_stream(stream).conv_plans();
  if (plans.made() == plans.recalled()) return;
  const std::string text = plans.choices().to_json();
  write_file_atomically(file, std::as_bytes(std::span(text)));
}

}  // namespace secateur
