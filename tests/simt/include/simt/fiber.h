// Fibers: stacks that are switched by hand. In assembler on x86-64 (ucontext's swapcontext makes a system
// call each time), with ucontext elsewhere.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace secateur::simt {

// A set of fibers that all run one function; the host stack is "outside".
class FiberPool {
 public:
  using Entry = void (*)();

  FiberPool();
  ~FiberPool();
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;

  // Makes fiber `index` start at `entry` when it next runs. What it was doing is dropped, without unwinding.
  void reset(std::size_t index, Entry entry);
  // From outside: runs the fiber until it leaves.
  void enter(std::size_t index);
  // From inside the running fiber: back to the outside.
  void leave();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace secateur::simt
