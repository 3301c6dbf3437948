// Communicator: what the processes of one job exchange - sums of gradients and statistics, small facts of the
// host. One process has none: wherever a communicator is asked for, a null pointer means that this process is
// alone, and nothing is exchanged.
//
// Every function is collective: all ranks call the same ones in the same order, with equal types and counts.
// All ranks get the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/core/device.h"
#include "secateur/core/dtype.h"
#include "secateur/core/error.h"

namespace secateur {

// Raised when another process of the job is gone, or does not answer in time. Nothing can be exchanged from
// then on.
class LostProcessError : public Error {
 public:
  using Error::Error;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  // By what the processes talk: "MPI", "TCP", "NCCL".
  [[nodiscard]] virtual std::string description() const = 0;

  // Sums `count` elements (f32 or f64) in the memory of the stream's device over all ranks, in place. On an
  // accelerator the sum may be queued: work that is queued on the stream later sees it.
  virtual void sum(Stream& stream, DType type, void* values, std::int64_t count) = 0;
  // Copies `bytes` bytes in the memory of the stream's device from rank 0 to all others, likewise.
  virtual void broadcast(Stream& stream, void* values, std::int64_t bytes) = 0;

  // Whether sums may be recorded with the rest of a stream (Stream::record), on streams that wait for each
  // other within the recording.
  [[nodiscard]] virtual bool can_be_recorded() const { return false; }
  // Runs `work`, which replays recorded sums. Throws LostProcessError where nothing can be exchanged any
  // more.
  virtual void replay(const std::function<void()>& work) { work(); }

  // Sums over all ranks in the host's memory.
  virtual void sum(std::span<double> values) = 0;
  // What every rank handed in, by rank; lengths may differ.
  [[nodiscard]] virtual std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> mine) = 0;

  // Returns once all ranks have called it.
  void barrier() { static_cast<void>(all_gather({})); }
  // True on all ranks where it is on any.
  [[nodiscard]] bool any(bool mine);
  // Throws Error on all ranks, naming `what` and the ranks that differ from rank 0, unless `hash` is the same
  // on all.
  void require_equal(std::uint64_t hash, std::string_view what);

  // Why nothing can be exchanged any more; "" as long as nothing is known. Not collective, does not wait, and
  // may be called from another thread.
  [[nodiscard]] virtual std::string failure() { return {}; }

 protected:
  Communicator(int rank, int size);

 private:
  int rank_;
  int size_;
};

// A running FNV-1a hash of 64 bits: for comparisons between ranks.
class Fingerprint {
 public:
  void add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      value_ = (value_ ^ std::to_integer<std::uint64_t>(byte)) * std::uint64_t{0x100000001b3};
    }
  }
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  void add(std::int64_t number) { add(std::as_bytes(std::span(&number, 1))); }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

// Items first .. first + count - 1.
struct Share {
  std::int64_t first = 0;
  std::int64_t count = 0;
};
// The part of `items` that belongs to a rank: contiguous, in the order of the ranks, of sizes that differ by
// one at most.
[[nodiscard]] Share share_of(std::int64_t items, const Communicator* communicator);

}  // namespace secateur
