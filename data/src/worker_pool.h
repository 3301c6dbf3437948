// Threads that wait for work: a parallel loop that any thread may start, beside the threads that compute.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace secateur::data {

class WorkerPool {
 public:
  // `threads` >= 1, one of which is the caller's in run().
  explicit WorkerPool(std::int64_t threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Calls task(i) once for every i in [0, count), in any order, and returns when all are done. An exception
  // ends the loop early and is thrown here, the first of several. One call at a time.
  void run(std::int64_t count, const std::function<void(std::int64_t)>& task);

 private:
  void serve();
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t generation_ = 0;  // counts the loops
  std::int64_t busy_ = 0;         // workers in the present one
  bool stopping_ = false;
  std::exception_ptr failure_;
  const std::function<void(std::int64_t)>* task_ = nullptr;
  std::int64_t count_ = 0;
  std::atomic<std::int64_t> next_{0};
  std::vector<std::thread> threads_;
};

}  // namespace secateur::data
