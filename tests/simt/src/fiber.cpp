#include "simt/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace secateur::simt {
namespace {

// Kernels keep their data in registers and shared memory; AddressSanitizer's frames are several times larger.
constexpr std::size_t kStackBytes = 128 * 1024;

class Stack {
 public:
  Stack() : guard_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    void* memory = mmap(nullptr, guard_ + kStackBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<unsigned char*>(memory);
    // The stack grows down into this page.
    if (mprotect(base_, guard_, PROT_NONE) != 0) throw std::bad_alloc();
  }
  ~Stack() { munmap(base_, guard_ + kStackBytes); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  [[nodiscard]] unsigned char* bottom() const { return base_ + guard_; }
  [[nodiscard]] unsigned char* top() const { return base_ + guard_ + kStackBytes; }

 private:
  std::size_t guard_;
  unsigned char* base_ = nullptr;
};

}  // namespace

#if defined(__x86_64__)

extern "C" void secateur_simt_switch(void** save_stack, void* load_stack);

// Saves what the calling convention asks a function to keep, swaps stacks, and returns on the other one.
asm(R"(
.text
.globl secateur_simt_switch
.type secateur_simt_switch, @function
secateur_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size secateur_simt_switch, .-secateur_simt_switch
)");

struct Context {
  void* stack = nullptr;
};

static void prepare(Context& context, const Stack& stack, void (*entry)()) {
  auto* slot = reinterpret_cast<void**>(stack.top());
  *--slot = nullptr;  // keeps the stack misaligned by 8 at entry, as after a call
  *--slot = reinterpret_cast<void*>(entry);
  for (int saved_register = 0; saved_register < 6; ++saved_register) *--slot = nullptr;
  context.stack = slot;
}

static void switch_context(Context& from, Context& to) { secateur_simt_switch(&from.stack, to.stack); }

#else

struct Context {
  ucontext_t context{};
};

static void prepare(Context& context, const Stack& stack, void (*entry)()) {
  getcontext(&context.context);
  context.context.uc_stack.ss_sp = stack.bottom();
  context.context.uc_stack.ss_size = kStackBytes;
  context.context.uc_link = nullptr;
  makecontext(&context.context, entry, 0);
}

static void switch_context(Context& from, Context& to) { swapcontext(&from.context, &to.context); }

#endif

struct FiberPool::Impl {
  struct Fiber {
    Stack stack;
    Context context;
    Entry entry = nullptr;
#if defined(__SANITIZE_ADDRESS__)
    void* fake_stack = nullptr;
#endif
  };
  std::vector<std::unique_ptr<Fiber>> fibers;
  Context outside;
  Fiber* running = nullptr;
#if defined(__SANITIZE_ADDRESS__)
  void* outside_fake_stack = nullptr;
  const void* outside_bottom = nullptr;
  std::size_t outside_size = 0;
#endif
};

namespace {
// The pool whose fiber is being started: entry functions take no argument.
FiberPool::Entry starting_entry = nullptr;
#if defined(__SANITIZE_ADDRESS__)
const void** starting_outside_bottom = nullptr;
std::size_t* starting_outside_size = nullptr;
#endif

void start() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, starting_outside_bottom, starting_outside_size);
#endif
  starting_entry();
  std::abort();  // an entry leaves for good; it never returns
}
}  // namespace

FiberPool::FiberPool() : impl_(std::make_unique<Impl>()) {}
FiberPool::~FiberPool() = default;

void FiberPool::reset(std::size_t index, Entry entry) {
  while (impl_->fibers.size() <= index) impl_->fibers.push_back(std::make_unique<Impl::Fiber>());
  Impl::Fiber& fiber = *impl_->fibers[index];
  fiber.entry = entry;
#if defined(__SANITIZE_ADDRESS__)
  fiber.fake_stack = nullptr;
  // What stood on it when a fault ended the block before is no frame any more.
  ASAN_UNPOISON_MEMORY_REGION(fiber.stack.bottom(), kStackBytes);
#endif
  prepare(fiber.context, fiber.stack, start);
}

void FiberPool::enter(std::size_t index) {
  Impl::Fiber& fiber = *impl_->fibers[index];
  impl_->running = &fiber;
  starting_entry = fiber.entry;
#if defined(__SANITIZE_ADDRESS__)
  starting_outside_bottom = &impl_->outside_bottom;
  starting_outside_size = &impl_->outside_size;
  __sanitizer_start_switch_fiber(&impl_->outside_fake_stack, fiber.stack.bottom(), kStackBytes);
#endif
  switch_context(impl_->outside, fiber.context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(impl_->outside_fake_stack, nullptr, nullptr);
#endif
  impl_->running = nullptr;
}

void FiberPool::leave() {
  Impl::Fiber& fiber = *impl_->running;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fiber.fake_stack, impl_->outside_bottom, impl_->outside_size);
#endif
  switch_context(fiber.context, impl_->outside);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fiber.fake_stack, &impl_->outside_bottom, &impl_->outside_size);
#endif
}

}  // namespace secateur::simt
