#include "backend/cuda/nccl_communicator.h"

#ifdef SECATEUR_WITH_NCCL

#include <nccl.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "backend/cuda/cuda_device.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

void check(ncclResult_t result, const char* call) {
  if (result != ncclSuccess) throw LostProcessError(fmt::format("{}: {}", call, ncclGetErrorString(result)));
}

// All streams share one NCCL communicator, which runs its operations in the order in which they are queued;
// that order is the same on all ranks.
class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(Stream& stream, Communicator& hosts)
      : Communicator(hosts.rank(), hosts.size()), hosts_(hosts) {
    ncclUniqueId id{};
    if (rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    // All hand theirs in; rank 0's counts.
    const auto ids = hosts.all_gather(std::as_bytes(std::span(&id, 1)));
    std::memcpy(&id, ids.front().data(), sizeof(id));
    stream.make_current();
    check(ncclCommInitRank(&nccl_, size(), id, rank()), "ncclCommInitRank");
    watcher_ = std::thread([this] { watch(); });
  }

  ~NcclCommunicator() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    watcher_.join();
    if (nccl_ == nullptr) return;
    // To destroy it waits for the others, who may be gone when this process leaves on an error.
    static_cast<void>(std::uncaught_exceptions() > exceptions_ ? ncclCommAbort(nccl_)
                                                               : ncclCommDestroy(nccl_));
  }

  [[nodiscard]] std::string description() const override {
    return fmt::format("NCCL and {}", hosts_.description());
  }

  void sum(Stream& stream, DType type, void* values, std::int64_t count) override {
    require(type == DType::f32 || type == DType::f64, "sums over processes are of f32 or f64, not of {}",
            name_of(type));
    const ncclDataType_t of = type == DType::f32 ? ncclFloat32 : ncclFloat64;
    queue(stream, count, "ncclAllReduce", [&](cudaStream_t handle) {
      return ncclAllReduce(values, values, static_cast<std::size_t>(count), of, ncclSum, nccl_, handle);
    });
  }

  void broadcast(Stream& stream, void* values, std::int64_t bytes) override {
    queue(stream, bytes, "ncclBroadcast", [&](cudaStream_t handle) {
      return ncclBroadcast(values, values, static_cast<std::size_t>(bytes), ncclUint8, 0, nccl_, handle);
    });
  }

  // By NCCL's own promise, for graphs that are destroyed before the communicator.
  [[nodiscard]] bool can_be_recorded() const override { return true; }
  void replay(const std::function<void()>& work) override {
    if (const std::string lost = failure(); !lost.empty()) throw LostProcessError(lost);
    // Without the lock: a full queue makes a launch wait for the GPU, and that may wait for a process that is
    // gone, until watch() ends what is queued.
    work();
  }

  void sum(std::span<double> values) override { hosts_.sum(values); }
  [[nodiscard]] std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> mine) override {
    return hosts_.all_gather(mine);
  }

  [[nodiscard]] std::string failure() override {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

 private:
  template <class Call>
  void queue(Stream& stream, std::int64_t count, const char* name, const Call& call) {
    if (count == 0) return;
    stream.make_current();
    const std::lock_guard lock(mutex_);
    if (!failure_.empty()) throw LostProcessError(failure_);
    check(call(cuda_stream(stream).handle()), name);
  }

  // A GPU whose peer is gone waits for it forever, and the host for the GPU: a thread looks after both, and
  // ends what is queued when a process was lost. The next exchange then says so.
  void watch() {
    constexpr std::chrono::milliseconds kBetween{500};
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kBetween, [this] { return ending_; })) {
      std::string lost = hosts_.failure();
      ncclResult_t state = ncclSuccess;
      if (lost.empty() && ncclCommGetAsyncError(nccl_, &state) == ncclSuccess && state != ncclSuccess) {
        lost = fmt::format("NCCL: {}", ncclGetErrorString(state));
      }
      if (lost.empty()) continue;
      failure_ = lost;
      ncclCommAbort(nccl_);
      nccl_ = nullptr;
      return;
    }
  }

  Communicator& hosts_;
  int exceptions_ = std::uncaught_exceptions();
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::string failure_;
  ncclComm_t nccl_ = nullptr;
  std::thread watcher_;
};

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(Device& device, Communicator& hosts) {
  return std::make_unique<NcclCommunicator>(*device.make_stream(), hosts);
}

}  // namespace secateur

#else

namespace secateur {

std::unique_ptr<Communicator> make_nccl_communicator(Device& /*device*/, Communicator& /*hosts*/) {
  return nullptr;
}

}  // namespace secateur

#endif
