#include "secateur/data/prefetch.h"

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "secateur/core/device.h"
#include "secateur/core/error.h"
#include "secateur/data/loader.h"

namespace secateur::data {
namespace {

struct Request {
  std::int64_t epoch = 0;
  std::int64_t first = 0;
  std::int64_t count = 0;
  DType dtype = DType::f32;
  std::int64_t leading = 0;
  bool operator==(const Request&) const = default;
};

// A batch in host memory, images stored as the caller's tensor stores them.
struct Batch {
  Request request;
  std::vector<std::byte> images;
  std::vector<std::int32_t> labels;
  std::exception_ptr failure;
};

}  // namespace

// One request at a time; a new one waits for the one before it. Two batches go round: the one being made and
// the one that the caller copies from.
class PrefetchingLoader::Worker {
 public:
  explicit Worker(std::unique_ptr<BatchSource> source)
      : source_(std::move(source)),
        device_(make_host_device(DeviceKind::cpu)),
        stream_(device_->make_stream()),
        thread_([this] { run(); }) {}

  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Asks for a batch ahead of need. What was asked for before is dropped.
  void start(const Request& request) {
    std::unique_lock lock(mutex_);
    post(lock, request);
  }

  // True when the request is ready or under way.
  [[nodiscard]] bool expects(const Request& request) {
    const std::lock_guard lock(mutex_);
    return latest_ && *latest_ == request;
  }

  // The batch, made now unless it was asked for before. Valid until the next take. Throws what the source
  // threw.
  const Batch& take(const Request& request) {
    std::unique_lock lock(mutex_);
    if (!(latest_ && *latest_ == request)) post(lock, request);
    changed_.wait(lock, [this] { return !pending_; });
    std::swap(making_, taken_);
    latest_.reset();
    if (taken_.failure) std::rethrow_exception(std::exchange(taken_.failure, nullptr));
    return taken_;
  }

 private:
  void post(std::unique_lock<std::mutex>& lock, const Request& request) {
    changed_.wait(lock, [this] { return !pending_; });
    latest_ = request;
    pending_ = true;
    changed_.notify_all();
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return pending_ || stopping_; });
      if (stopping_) return;
      making_.request = *latest_;
      lock.unlock();
      // Until pending_ is false again, making_ belongs to this thread.
      try {
        make(making_);
        making_.failure = nullptr;
      } catch (...) {
        making_.failure = std::current_exception();
        source_epoch_.reset();
      }
      lock.lock();
      pending_ = false;
      changed_.notify_all();
    }
  }

  void make(Batch& batch) {
    const Request& request = batch.request;
    if (source_epoch_ != request.epoch) {
      source_->begin_epoch(request.epoch);
      source_epoch_ = request.epoch;
    }
    const Shape shape = source_->image_shape().batched(request.count);
    Tensor images(nullptr, request.dtype, shape, request.leading);
    batch.images.resize(static_cast<std::size_t>(images.stored_bytes()));
    batch.labels.resize(static_cast<std::size_t>(request.count));
    images.data = batch.images.data();
    const Tensor labels(batch.labels.data(), DType::i32, {request.count});
    source_->fill(request.first, request.count, *stream_, images, labels);
  }

  std::unique_ptr<BatchSource> source_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  std::optional<std::int64_t> source_epoch_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool pending_ = false;  // latest_ is being made
  bool stopping_ = false;
  std::optional<Request> latest_;  // what making_ holds or will hold
  Batch making_;
  Batch taken_;
  std::thread thread_;  // last: it uses all of the above
};

PrefetchingLoader::PrefetchingLoader(std::unique_ptr<BatchSource> source)
    : size_(source->size()), shape_(source->image_shape()), num_classes_(source->num_classes()) {
  worker_ = std::make_unique<Worker>(std::move(source));
}

PrefetchingLoader::~PrefetchingLoader() = default;

void PrefetchingLoader::begin_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  if (batch_size_ == 0) return;
  const Request request{epoch_, 0, batch_size_, dtype_, leading_};
  if (!worker_->expects(request)) worker_->start(request);
}

void PrefetchingLoader::fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
                             const Tensor& labels) {
  check_batch(*this, first, count, images, labels);
  if (count == 0) return;
  const Request request{epoch_, first, count, images.dtype, images.leading};
  if (worker_->expects(request)) ++hits_;
  const Batch& batch = worker_->take(request);
  dtype_ = images.dtype;
  leading_ = images.leading;
  if (first == 0) batch_size_ = count;

  const std::int64_t next = first + count;
  if (next < size_) worker_->start({epoch_, next, std::min(count, size_ - next), dtype_, leading_});

  const auto bytes = static_cast<std::int64_t>(batch.images.size());
  stream.copy_to_device(images.data, batch.images.data(), bytes);
  stream.copy_to_device(labels.data, batch.labels.data(), count * size_of(DType::i32));
}

}  // namespace secateur::data
