#include "secateur/dist/launch.h"

#include <charconv>
#include <cstdlib>

namespace secateur {
namespace {

int number(const std::string& name, const std::string& text, int low, int high) {
  int value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  require(error == std::errc() && stop == end && value >= low && value <= high,
          "the environment variable {} is '{}', expected a number from {} to {}", name, text, low, high);
  return value;
}

class Reader {
 public:
  explicit Reader(const Environment& environment) : environment_(environment) {}

  [[nodiscard]] bool has(const std::string& name) const { return environment_(name).has_value(); }
  [[nodiscard]] int get_or(const std::string& name, int low, int high, int other) const {
    const auto text = environment_(name);
    return text ? number(name, *text, low, high) : other;
  }
  [[nodiscard]] int get(const std::string& name, int low, int high) const {
    const auto text = environment_(name);
    require(text.has_value(), "WORLD_SIZE is set, but {} is not: every process of the job needs it", name);
    return number(name, *text, low, high);
  }
  [[nodiscard]] std::string text_or(const std::string& name, const std::string& other) const {
    return environment_(name).value_or(other);
  }

 private:
  const Environment& environment_;
};

constexpr int kMostProcesses = 1 << 16;

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

Launch launch_from(const Environment& environment) {
  struct Names {
    const char* size;
    const char* rank;
    const char* local_rank;
    const char* local_size;
  };
  const Reader reader(environment);
  Launch launch;
  for (const Names& names : {Names{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK",
                                   "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
                             Names{"PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"}}) {
    if (!reader.has(names.size)) continue;
    launch.size = reader.get_or(names.size, 1, kMostProcesses, 1);
    if (launch.size == 1) return launch;
    launch.way = Launch::Way::mpi;
    launch.rank = reader.get_or(names.rank, 0, launch.size - 1, 0);
    launch.local_rank = reader.get_or(names.local_rank, 0, kMostProcesses, 0);
    launch.local_size = reader.get_or(names.local_size, 1, kMostProcesses, 1);
    return launch;
  }
  launch.size = reader.get_or("WORLD_SIZE", 1, kMostProcesses, 1);
  if (launch.size == 1) return launch;
  launch.way = Launch::Way::tcp;
  launch.rank = reader.get("RANK", 0, launch.size - 1);
  // Without LOCAL_WORLD_SIZE all processes are taken to be on one machine.
  launch.local_rank = reader.get_or("LOCAL_RANK", 0, kMostProcesses, launch.rank);
  launch.local_size = reader.get_or("LOCAL_WORLD_SIZE", 1, kMostProcesses, launch.size);
  launch.rendezvous.address = reader.text_or("MASTER_ADDR", launch.rendezvous.address);
  launch.rendezvous.port = reader.get_or("MASTER_PORT", 1, 65534, launch.rendezvous.port);
  // Of torchrun, whose own process listens at MASTER_PORT: the next one is for the ranks.
  if (reader.text_or("TORCHELASTIC_USE_AGENT_STORE", "") == "True") ++launch.rendezvous.port;
  constexpr int kMostSeconds = 7 * 24 * 3600;
  if (const int seconds = reader.get_or("SECATEUR_DIST_TIMEOUT", 1, kMostSeconds, 0); seconds > 0) {
    launch.rendezvous.arrival = std::chrono::seconds(seconds);
    launch.rendezvous.patience = std::chrono::seconds(seconds);
  }
  return launch;
}

std::unique_ptr<Communicator> join(const Launch& launch) {
  switch (launch.way) {
    case Launch::Way::alone:
      return nullptr;
    case Launch::Way::mpi:
      return join_mpi();
    case Launch::Way::tcp:
      return join_tcp(launch.rank, launch.size, launch.rendezvous);
  }
  return nullptr;
}

}  // namespace secateur
