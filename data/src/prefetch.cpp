#include "secateur/data/prefetch.h"

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "secateur/core/error.h"

namespace secateur::data {
namespace {

struct Request {
  std::int64_t epoch = 0;
  std::int64_t first = 0;
  std::int64_t count = 0;
  bool operator==(const Request&) const = default;
};

struct Batch {
  Request request;
  PixelBatch pixels;
  std::exception_ptr failure;
};

}  // namespace

// One request at a time; a new one waits for the one before it. Two batches go round: the one being made and
// the one that the caller copies from.
class PrefetchingLoader::Worker {
 public:
  explicit Worker(std::unique_ptr<PixelSource> source)
      : source_(std::move(source)), thread_([this] { run(); }) {}

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
  PixelBatch& take(const Request& request) {
    std::unique_lock lock(mutex_);
    if (!(latest_ && *latest_ == request)) post(lock, request);
    changed_.wait(lock, [this] { return !pending_; });
    std::swap(making_, taken_);
    latest_.reset();
    if (taken_.failure) std::rethrow_exception(std::exchange(taken_.failure, nullptr));
    return taken_.pixels;
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
    batch.pixels.resize(request.count, source_->image_shape());
    source_->fill_pixels(request.first, request.count, batch.pixels.pixels(), batch.pixels.labels());
  }

  std::unique_ptr<PixelSource> source_;
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

PrefetchingLoader::PrefetchingLoader(std::unique_ptr<PixelSource> source)
    : size_(source->size()),
      shape_(source->image_shape()),
      normalization_(source->normalization()),
      num_classes_(source->num_classes()) {
  worker_ = std::make_unique<Worker>(std::move(source));
}

PrefetchingLoader::~PrefetchingLoader() = default;

void PrefetchingLoader::begin_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  if (batch_size_ == 0) return;
  const Request request{epoch_, 0, batch_size_};
  if (!worker_->expects(request)) worker_->start(request);
}

void PrefetchingLoader::fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
                             const Tensor& labels) {
  check_batch(*this, first, count, images, labels);
  if (count == 0) return;
  const Request request{epoch_, first, count};
  if (worker_->expects(request)) ++hits_;
  PixelBatch& batch = worker_->take(request);
  if (first == 0) batch_size_ = count;

  const std::int64_t next = first + count;
  if (next < size_) worker_->start({epoch_, next, std::min(count, size_ - next)});

  batch.write(stream, normalization_, images, labels);
}

}  // namespace secateur::data
