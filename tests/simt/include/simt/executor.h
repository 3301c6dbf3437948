// A small executor that runs CUDA kernels on the CPU, one fiber a thread, one block after the other, to prove
// what a GPU would not tell: divergent barriers, shared memory read before it is written, races within a
// barrier interval, accesses out of bounds, and results that depend on the order in which threads and blocks
// happen to run.
//
// Every launch runs once for each order of options().orders, each time from the same memory (all
// GuardedBuffers are saved and restored); the outcomes must agree bit for bit. One host thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <vector>

namespace secateur::simt {

struct Dim3 {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
};

enum class Order { forward, reverse, shuffled };

struct Options {
  std::vector<Order> orders{Order::forward, Order::reverse, Order::shuffled};
  int multiprocessors = 2;                // what the launchers are told of the device
  std::int64_t shared_bytes = 64 * 1024;  // dynamic shared memory that a block may have
};

// Set by a test before it launches.
Options& options();

struct LaunchShape {
  Dim3 grid;
  unsigned threads = 1;
  std::int64_t shared_bytes = 0;
};

// Runs `body` once for every thread of the grid. Returns the first fault's description, empty when there was
// none.
std::string execute(const char* name, const LaunchShape& shape, const std::function<void()>& body);

// Counts over the life of the process, for the test report.
struct Statistics {
  std::int64_t launches = 0;
  std::int64_t blocks = 0;
  std::int64_t threads = 0;
};
const Statistics& statistics();

// What follows is for code that runs inside a kernel.

struct ThreadPosition {
  Dim3 thread;
  Dim3 block;
  Dim3 block_size;
  Dim3 grid_size;
};
// Position of the running thread.
extern const ThreadPosition* current_position;

// Where a thread stands in the order that barriers give: accesses of two threads are ordered when their
// `block` intervals differ, or, within one warp, their `warp` intervals.
struct Interval {
  unsigned thread = 0;
  std::uint32_t block = 0;
  std::uint32_t warp = 0;
};
Interval current_interval();
// Different for every block that was ever run: marks shared memory as belonging to it.
std::uint32_t current_block_serial();

// Ends the launch with this fault. Does not return to the kernel.
[[noreturn]] void fail(const std::string& what, std::source_location where = std::source_location::current());

void block_barrier(std::source_location where);
void warp_barrier(unsigned mask, std::source_location where);
// All lanes of the warp hand in a value and get those of all lanes. `kind` names the collective: lanes must
// agree on it.
const std::uint64_t* warp_exchange(const char* kind, unsigned mask, std::uint64_t value,
                                   std::source_location where);
unsigned lane_index();
// Lanes of the running thread's warp that exist.
unsigned warp_lanes();

// The block's dynamic shared memory.
unsigned char* dynamic_shared();
std::int64_t dynamic_shared_bytes();

}  // namespace secateur::simt
