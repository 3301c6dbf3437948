// Runs a fuzz target without libFuzzer: every file of its corpus, then mutations of them.
//
//   fuzz_recipe CORPUS [--mutations N] [--seconds S] [--seed K] [--only NUMBER] [--mebibytes M]
//
// --seconds goes on after the N mutations until the time is over; --only runs one mutation, that of a
// finding. An input that kills the process, takes more than 20 s or makes it allocate more than M MiB (256)
// is a finding: the process ends with its name on stderr and its bytes in finding-<target>.bin.
#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>

#include "fuzz/fuzz_target.h"
#include "fuzz/mutate.h"
#include "secateur/core/rng.h"

namespace {

constexpr unsigned kSecondsAnInput = 20;

// Bytes in use from operator new, and the most since an input began.
struct Allocated {
  std::int64_t now = 0;
  std::int64_t most = 0;
  std::int64_t limit = std::int64_t{256} << 20;
};
Allocated allocated;

// What is being run, for the handler of a signal: it can neither format nor allocate.
struct Current {
  char name[256] = "";
  char file[256] = "";
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
};
Current current;

void say(const char* text) {
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text, std::strlen(text));
}

void save_finding() {
  say("\nfinding: ");
  say(current.name);
  const int file = ::open(current.file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0) {
    [[maybe_unused]] const ssize_t ignored = ::write(file, current.data, current.size);
    ::close(file);
    say(", bytes in ");
    say(current.file);
  }
  say("\n");
}

extern "C" void on_death(int signal) {
  say(signal == SIGALRM ? "too slow" : ::strsignal(signal));
  save_finding();
  ::_exit(1);
}

void* allocate(std::size_t bytes) {
  if (static_cast<std::int64_t>(std::min<std::size_t>(bytes, std::size_t{1} << 62)) + allocated.now >
      allocated.limit) {
    say("allocates more than it may");
    save_finding();
    ::_exit(1);
  }
  void* const block = std::malloc(bytes);
  if (block == nullptr) throw std::bad_alloc();
  allocated.now += static_cast<std::int64_t>(::malloc_usable_size(block));
  allocated.most = std::max(allocated.most, allocated.now);
  return block;
}

void release(void* block) {
  if (block == nullptr) return;
  allocated.now -= static_cast<std::int64_t>(::malloc_usable_size(block));
  std::free(block);
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes); }
void* operator new[](std::size_t bytes) { return allocate(bytes); }
void operator delete(void* block) noexcept { release(block); }
void operator delete[](void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t /*bytes*/) noexcept { release(block); }
void operator delete[](void* block, std::size_t /*bytes*/) noexcept { release(block); }

namespace {

using secateur::fuzz::Bytes;

struct Options {
  std::filesystem::path corpus;
  std::uint64_t mutations = 2000;
  double seconds = 0;
  std::uint64_t seed = 1;
  std::int64_t only = -1;
};

Options read_options(int argc, char** argv) {
  Options options;
  secateur::require(argc >= 2 && argc % 2 == 0, "usage: {} CORPUS [--option value]...", argv[0]);
  options.corpus = argv[1];
  for (int i = 2; i < argc; i += 2) {
    const std::string name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--mutations") {
      options.mutations = std::stoull(value);
    } else if (name == "--seconds") {
      options.seconds = std::stod(value);
    } else if (name == "--seed") {
      options.seed = std::stoull(value);
    } else if (name == "--only") {
      options.only = std::stoll(value);
    } else if (name == "--mebibytes") {
      allocated.limit = std::stoll(value) << 20;
    } else {
      secateur::fail("there is no option {}", name);
    }
  }
  return options;
}

// A stack that has overflown has no room for a handler.
void catch_signals() {
  static std::array<char, 65536> stack;
  stack_t alternative{};
  alternative.ss_sp = stack.data();
  alternative.ss_size = stack.size();
  ::sigaltstack(&alternative, nullptr);
  struct sigaction action {};
  action.sa_handler = on_death;
  action.sa_flags = SA_ONSTACK;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM}) {
    ::sigaction(signal, &action, nullptr);
  }
}

class Runner {
 public:
  explicit Runner(const std::string& target) {
    std::snprintf(current.file, sizeof(current.file), "finding-%s.bin", target.c_str());
  }

  void run(const std::string& name, const Bytes& input) {
    std::snprintf(current.name, sizeof(current.name), "%s", name.c_str());
    // An own block of exactly that size, so that a sanitizer sees a read past the end.
    const std::vector<std::uint8_t> exact(input);  // NOLINT(performance-unnecessary-copy-initialization)
    current.data = exact.data();
    current.size = exact.size();
    allocated.most = allocated.now;
    const std::int64_t before = allocated.now;
    const auto start = std::chrono::steady_clock::now();
    ::alarm(kSecondsAnInput);
    try {
      LLVMFuzzerTestOneInput(exact.data(), exact.size());
    } catch (const std::exception& error) {
      secateur::fuzz::broken("only secateur::Error comes out, not", error.what());
    }
    ::alarm(0);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    slowest_ms_ = std::max(slowest_ms_, took.count());
    most_bytes_ = std::max(most_bytes_, allocated.most - before);
    ++inputs_;
  }

  [[nodiscard]] std::string summary() const {
    return fmt::format("{} inputs, 0 findings, slowest {:.1f} ms, most memory {:.1f} MiB", inputs_,
                       slowest_ms_, static_cast<double>(most_bytes_) / (1 << 20));
  }

 private:
  std::uint64_t inputs_ = 0;
  double slowest_ms_ = 0;
  std::int64_t most_bytes_ = 0;
};

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

void run_all(const Options& options) {
  const std::string target = options.corpus.filename().string();
  Runner runner(target);
  std::vector<Bytes> seeds;
  for (const auto& file : files_of(options.corpus)) {
    std::ifstream stream(file, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  secateur::require(!seeds.empty(), "{} holds no seeds", options.corpus.string());

  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const auto run_mutation = [&](std::uint64_t number) {
    runner.run(fmt::format("mutation {} of seed {}", number, options.seed),
               secateur::fuzz::mutated(seeds, options.seed, number));
  };
  if (options.only >= 0) return run_mutation(static_cast<std::uint64_t>(options.only));
  runner.run("no bytes at all", {});
  for (const auto& file : files_of(options.corpus)) {
    std::ifstream stream(file, std::ios::binary);
    runner.run(file.string(),
               Bytes(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()));
  }
  std::uint64_t number = 0;
  while (number < options.mutations || seconds() < options.seconds) run_mutation(number++);
  fmt::print("{}: {} seeds, {}, {:.1f} s\n", target, seeds.size(), runner.summary(), seconds());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = read_options(argc, argv);
    catch_signals();
    run_all(options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
