#include "simt/executor.h"

#include <algorithm>
#include <csignal>
#include <memory>
#include <numeric>
#include <utility>

#include "simt/fiber.h"
#include "simt/memory.h"

namespace secateur::simt {

const ThreadPosition* current_position = nullptr;

namespace {

enum class State { ready, at_block_barrier, in_warp_collective, finished };

struct Thread {
  ThreadPosition position;
  Interval interval;
  State state = State::ready;
};

// One collective in flight, and the values of the last complete one: a lane may hand in its value for the
// next while others still read this one's, but no lane can be two ahead.
struct Warp {
  unsigned arrived = 0;
  const char* kind = nullptr;
  std::source_location where;
  unsigned generation = 0;
  std::uint64_t values[2][32] = {};
};

struct Machine {
  FiberPool fibers;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  const std::function<void()>* body = nullptr;
  Thread* current = nullptr;
  std::size_t finished = 0;
  std::size_t at_barrier = 0;
  std::source_location barrier_where;
  std::uint32_t block_serial = 0;
  std::vector<std::uint64_t> dynamic;  // in words, for alignment
  std::int64_t dynamic_bytes = 0;
  std::string name;
  std::string fault;
  Statistics statistics;
};

Machine& machine() {
  static Machine instance;
  return instance;
}

std::string place(std::source_location where) {
  const std::string file = where.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line());
}

std::string text(const Dim3& d) {
  return "(" + std::to_string(d.x) + "," + std::to_string(d.y) + "," + std::to_string(d.z) + ")";
}

void leave_fiber() { machine().fibers.leave(); }

void run_thread() {
  Machine& m = machine();
  (*m.body)();
  m.current->state = State::finished;
  ++m.finished;
  leave_fiber();
}

std::vector<std::size_t> permutation(std::size_t count, Order order, std::uint64_t salt) {
  std::vector<std::size_t> indices(count);
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  if (order == Order::reverse) {
    std::iota(indices.rbegin(), indices.rend(), std::size_t{0});
  } else if (order == Order::shuffled) {
    std::uint64_t state = salt * 0x9E3779B97F4A7C15U + 1;
    for (std::size_t i = count; i > 1; --i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      std::swap(indices[i - 1], indices[(state >> 33) % i]);
    }
  }
  return indices;
}

std::string describe_deadlock(const Machine& m) {
  std::size_t at_barrier = 0;
  std::size_t in_warp = 0;
  for (const Thread& thread : m.threads) {
    at_barrier += thread.state == State::at_block_barrier ? 1 : 0;
    in_warp += thread.state == State::in_warp_collective ? 1 : 0;
  }
  return "divergence: " + std::to_string(at_barrier) + " threads wait at __syncthreads, " +
         std::to_string(in_warp) + " in a warp collective, " + std::to_string(m.finished) +
         " have finished; none can go on";
}

// Runs one block to its end or to the first fault.
void run_block(const LaunchShape& shape, const Dim3& block, const std::vector<std::size_t>& order) {
  Machine& m = machine();
  m.block_serial += 1;
  m.finished = 0;
  m.at_barrier = 0;
  m.warps.assign((shape.threads + 31) / 32, Warp{});
  m.threads.assign(shape.threads, Thread{});
  std::ranges::fill(m.dynamic, ~std::uint64_t{0});
  for (unsigned i = 0; i < shape.threads; ++i) {
    m.threads[i].position = {{i, 0, 0}, block, {shape.threads, 1, 1}, shape.grid};
    m.threads[i].interval = {i, 0, 0};
    m.fibers.reset(i, run_thread);
  }
  m.statistics.blocks += 1;
  m.statistics.threads += shape.threads;
  while (m.finished < m.threads.size()) {
    bool progress = false;
    for (const std::size_t i : order) {
      Thread& thread = m.threads[i];
      if (thread.state != State::ready) continue;
      progress = true;
      m.current = &thread;
      current_position = &thread.position;
      m.fibers.enter(i);
      m.current = nullptr;
      if (!m.fault.empty()) return;
    }
    if (!progress) {
      m.fault = m.name + ", block " + text(block) + ": " + describe_deadlock(m);
      return;
    }
  }
}

void run_grid(const LaunchShape& shape, Order order) {
  const std::size_t blocks = std::size_t{shape.grid.x} * shape.grid.y * shape.grid.z;
  const std::vector<std::size_t> thread_order = permutation(shape.threads, order, 17);
  for (const std::size_t i : permutation(blocks, order, 23)) {
    const auto x = static_cast<unsigned>(i % shape.grid.x);
    const auto y = static_cast<unsigned>(i / shape.grid.x % shape.grid.y);
    const auto z = static_cast<unsigned>(i / shape.grid.x / shape.grid.y);
    run_block(shape, {x, y, z}, thread_order);
    if (!machine().fault.empty()) return;
  }
}

void on_memory_fault(int signal, siginfo_t* info, void* /*context*/) {
  Machine& m = machine();
  if (m.current == nullptr) {
    // Not a kernel's access: let it end the process as it would have.
    std::signal(signal, SIG_DFL);
    return;
  }
  std::string what = describe_address(info->si_addr);
  if (what.empty()) what = "an address that belongs to no buffer";
  m.fault = m.name + ", block " + text(m.current->position.block) + " thread " +
            std::to_string(m.current->position.thread.x) + ": global memory access out of bounds, " + what;
  // The fiber is dropped where it stands.
  leave_fiber();
}

// Catches the guard pages' faults for as long as it lives. On a stack of its own, since the fiber's may be
// what overran.
class MemoryFaultHandler {
 public:
  MemoryFaultHandler() {
    stack_t stack{};
    stack.ss_sp = alternate_.data();
    stack.ss_size = alternate_.size();
    sigaltstack(&stack, &old_stack_);
    struct sigaction action {};
    action.sa_sigaction = on_memory_fault;
    // Left by switching stacks, not by returning: the signal must not stay blocked.
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &old_segv_);
    sigaction(SIGBUS, &action, &old_bus_);
  }
  ~MemoryFaultHandler() {
    sigaction(SIGSEGV, &old_segv_, nullptr);
    sigaction(SIGBUS, &old_bus_, nullptr);
    sigaltstack(&old_stack_, nullptr);
  }
  MemoryFaultHandler(const MemoryFaultHandler&) = delete;
  MemoryFaultHandler& operator=(const MemoryFaultHandler&) = delete;

 private:
  std::vector<char> alternate_ = std::vector<char>(256 * 1024);
  stack_t old_stack_{};
  struct sigaction old_segv_ {};
  struct sigaction old_bus_ {};
};

using Snapshot = std::vector<std::vector<unsigned char>>;

Snapshot save_buffers() {
  Snapshot snapshot;
  for (const GuardedBuffer* buffer : live_buffers()) {
    snapshot.emplace_back(buffer->data(), buffer->data() + buffer->size());
  }
  return snapshot;
}

void restore_buffers(const Snapshot& snapshot) {
  for (std::size_t i = 0; i < snapshot.size(); ++i) {
    std::ranges::copy(snapshot[i], live_buffers()[i]->data());
  }
}

std::string compare_buffers(const Snapshot& first) {
  for (std::size_t i = 0; i < first.size(); ++i) {
    const unsigned char* now = live_buffers()[i]->data();
    for (std::size_t byte = 0; byte < first[i].size(); ++byte) {
      if (now[byte] == first[i][byte]) continue;
      return "result depends on the order of threads or blocks: buffer " + std::to_string(i) + " of " +
             std::to_string(first[i].size()) + " bytes, byte " + std::to_string(byte);
    }
  }
  return {};
}

std::string refuse(const LaunchShape& shape) {
  if (shape.threads == 0 || shape.threads > 1024) return "a block has 1 to 1024 threads";
  if (shape.shared_bytes < 0 || shape.shared_bytes > options().shared_bytes) {
    return "asks for " + std::to_string(shape.shared_bytes) + " bytes of shared memory; the device has " +
           std::to_string(options().shared_bytes);
  }
  return {};
}

}  // namespace

Options& options() {
  static Options instance;
  return instance;
}

const Statistics& statistics() { return machine().statistics; }

std::string execute(const char* name, const LaunchShape& shape, const std::function<void()>& body) {
  Machine& m = machine();
  m.name = name;
  m.fault = refuse(shape);
  if (!m.fault.empty()) return m.name + ": " + m.fault;
  m.body = &body;
  m.dynamic_bytes = shape.shared_bytes;
  m.dynamic.resize(static_cast<std::size_t>(shape.shared_bytes + 7) / 8);
  m.statistics.launches += 1;
  const MemoryFaultHandler handler;
  // With one order there is nothing to compare, and memory is not copied.
  const bool compares = options().orders.size() > 1;
  const Snapshot before = compares ? save_buffers() : Snapshot();
  Snapshot first;
  for (std::size_t i = 0; i < options().orders.size() && m.fault.empty(); ++i) {
    if (i > 0) restore_buffers(before);
    run_grid(shape, options().orders[i]);
    if (!m.fault.empty() || !compares) break;
    if (i == 0) {
      first = save_buffers();
    } else if (std::string difference = compare_buffers(first); !difference.empty()) {
      m.fault = m.name + ": " + difference;
    }
  }
  current_position = nullptr;
  return m.fault;
}

Interval current_interval() { return machine().current->interval; }
std::uint32_t current_block_serial() { return machine().block_serial; }
unsigned lane_index() { return machine().current->position.thread.x % 32; }

unsigned warp_lanes() {
  const Machine& m = machine();
  const std::size_t first = m.current->position.thread.x / 32 * 32;
  const std::size_t count = std::min<std::size_t>(32, m.threads.size() - first);
  return count == 32 ? 0xFFFFFFFFU : (1U << count) - 1U;
}

unsigned char* dynamic_shared() { return reinterpret_cast<unsigned char*>(machine().dynamic.data()); }
std::int64_t dynamic_shared_bytes() { return machine().dynamic_bytes; }

void fail(const std::string& what, std::source_location where) {
  Machine& m = machine();
  m.fault = m.name + ", block " + text(m.current->position.block) + " thread " +
            std::to_string(m.current->position.thread.x) + ", " + place(where) + ": " + what;
  leave_fiber();
  std::abort();  // a fiber that failed is never entered again
}

void block_barrier(std::source_location where) {
  Machine& m = machine();
  Thread& self = *m.current;
  if (m.finished > 0) fail("divergence: __syncthreads after another thread of the block has finished", where);
  if (m.at_barrier > 0 &&
      (m.barrier_where.line() != where.line() || m.barrier_where.column() != where.column() ||
       std::strcmp(m.barrier_where.file_name(), where.file_name()) != 0)) {
    fail("divergence: other threads of the block wait at the __syncthreads of " + place(m.barrier_where),
         where);
  }
  m.barrier_where = where;
  m.at_barrier += 1;
  if (m.at_barrier == m.threads.size()) {
    m.at_barrier = 0;
    for (Thread& thread : m.threads) {
      thread.state = State::ready;
      thread.interval.block += 1;
    }
    return;
  }
  self.state = State::at_block_barrier;
  leave_fiber();
}

const std::uint64_t* warp_exchange(const char* kind, unsigned mask, std::uint64_t value,
                                   std::source_location where) {
  Machine& m = machine();
  Thread& self = *m.current;
  const std::size_t warp_index = self.position.thread.x / 32;
  Warp& warp = m.warps[warp_index];
  if (mask != warp_lanes()) {
    fail(std::string(kind) + ": the mask must name every lane of the warp, no more and no fewer", where);
  }
  if (warp.arrived == 0) {
    warp.kind = kind;
    warp.where = where;
  } else if (std::strcmp(warp.kind, kind) != 0 || warp.where.line() != where.line()) {
    fail("divergence: the warp's other lanes are in the " + std::string(warp.kind) + " of " +
             place(warp.where),
         where);
  }
  const unsigned generation = warp.generation;
  std::uint64_t* values = warp.values[generation % 2];
  values[lane_index()] = value;
  warp.arrived |= 1U << lane_index();
  if (warp.arrived == mask) {
    warp.arrived = 0;
    warp.generation += 1;
    for (std::size_t lane = 0; lane < 32 && warp_index * 32 + lane < m.threads.size(); ++lane) {
      Thread& thread = m.threads[warp_index * 32 + lane];
      if (thread.state == State::in_warp_collective) thread.state = State::ready;
    }
  } else {
    self.state = State::in_warp_collective;
    leave_fiber();
  }
  return values;
}

void warp_barrier(unsigned mask, std::source_location where) {
  // A mask of all ones means the whole warp, also where the block's last warp is short.
  warp_exchange("__syncwarp", mask & warp_lanes(), 0, where);
  machine().current->interval.warp += 1;
}

}  // namespace secateur::simt
