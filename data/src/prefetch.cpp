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

  // Asks for a batch ahead of need, on its way to the device that the last one was taken to. What was asked
  // for before is dropped.
  void start(const Request& request) {
    std::unique_lock lock(mutex_);
    post(lock, request, *device_);
  }

  // While no batch is being made; one that is ready is dropped. Throws what the source throws.
  void set_image_size(std::int64_t side) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !pending_; });
    latest_.reset();
    source_epoch_.reset();
    source_->set_image_size(side);
  }

  // True when the request is ready or under way.
  [[nodiscard]] bool expects(const Request& request) {
    const std::lock_guard lock(mutex_);
    return latest_ && *latest_ == request;
  }

  // The batch, made now unless it was asked for before. Valid until the next take. Throws what the source
  // threw.
  PixelBatch& take(const Request& request, Device& device) {
    std::unique_lock lock(mutex_);
    if (!(latest_ && *latest_ == request && device_ == &device)) post(lock, request, device);
    changed_.wait(lock, [this] { return !pending_; });
    std::swap(making_, taken_);
    latest_.reset();
    if (taken_.failure) std::rethrow_exception(std::exchange(taken_.failure, nullptr));
    return taken_.pixels;
  }

 private:
  void post(std::unique_lock<std::mutex>& lock, const Request& request, Device& device) {
    changed_.wait(lock, [this] { return !pending_; });
    // Memory is taken here, in the thread that trains: a device counts it without locks.
    making_.pixels.reserve(device, request.count, source_->image_shape());
    device_ = &device;
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
    batch.pixels.begin();
    source_->fill_pixels(request.first, request.count, batch.pixels.pixels(), batch.pixels.labels());
    batch.pixels.send();
  }

  std::unique_ptr<PixelSource> source_;
  std::optional<std::int64_t> source_epoch_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool pending_ = false;  // latest_ is being made
  bool stopping_ = false;
  std::optional<Request> latest_;  // what making_ holds or will hold
  Device* device_ = nullptr;       // that it goes to
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

void PrefetchingLoader::set_image_size(std::int64_t side) {
  if (side == shape_.height && side == shape_.width) return;
  worker_->set_image_size(side);
  shape_.height = shape_.width = side;
}

void PrefetchingLoader::begin_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  previous_.reset();
  if (batch_size_ == 0) return;
  const Request request{epoch_, epoch_first_, batch_size_};
  if (!worker_->expects(request)) worker_->start(request);
}

void PrefetchingLoader::fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
                             const Tensor& labels) {
  check_batch(*this, first, count, images, labels);
  if (count == 0) return;
  const Request request{epoch_, first, count};
  if (worker_->expects(request)) ++hits_;
  PixelBatch& batch = worker_->take(request, stream.device());
  if (!previous_) {
    epoch_first_ = first;
    batch_size_ = count;
  }
  // Of several processes each takes its part of every batch: the next one lies as far ahead as this one did.
  if (previous_ && first > *previous_) step_ = first - *previous_;
  previous_ = first;
  const std::int64_t next = first + (step_ > 0 ? step_ : count);
  if (next < size_) worker_->start({epoch_, next, std::min(count, size_ - next)});

  batch.write(stream, normalization_, images, labels);
}

}  // namespace secateur::data
