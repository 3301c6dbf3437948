// MPI, where this build has it. The library's own calls report errors (MPI_ERRORS_RETURN), which become
// Error; a process that dies is mpirun's to notice: it ends the job.
#ifdef SECATEUR_WITH_MPI

#include <mpi.h>

#include <algorithm>
#include <array>
#include <exception>
#include <numeric>

#include "dist/host_communicator.h"
#include "secateur/dist/launch.h"

namespace secateur {
namespace {

// Of one call: counts are ints.
constexpr std::int64_t kMostElements = std::int64_t{1} << 28;

void check(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> words{};
  int length = 0;
  MPI_Error_string(status, words.data(), &length);
  throw LostProcessError(fmt::format("{}: {}", call, words.data()));
}

int initialized_rank() {
  int already = 0;
  MPI_Initialized(&already);
  require(already == 0, "MPI can be joined once in the life of a process");
  int provided = 0;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  int rank = 0;
  check(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank");
  return rank;
}

int world_size() {
  int size = 1;
  check(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
  return size;
}

class MpiCommunicator final : public HostCommunicator {
 public:
  explicit MpiCommunicator(int rank) : HostCommunicator(rank, world_size()) {}

  ~MpiCommunicator() override {
    // MPI_Finalize waits for the other processes, which wait for this one when it leaves on an error. Without
    // it, mpirun sees a process that ended too early, and ends the others.
    if (std::uncaught_exceptions() == exceptions_) MPI_Finalize();
  }

  [[nodiscard]] std::string description() const override { return "MPI"; }

  [[nodiscard]] std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> mine) override {
    const auto ranks = static_cast<std::size_t>(size());
    const int bytes = static_cast<int>(mine.size());
    std::vector<int> lengths(ranks);
    check(MPI_Allgather(&bytes, 1, MPI_INT, lengths.data(), 1, MPI_INT, MPI_COMM_WORLD), "MPI_Allgather");
    std::vector<int> offsets(ranks);
    std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
    std::vector<std::byte> all(static_cast<std::size_t>(offsets.back() + lengths.back()));
    check(MPI_Allgatherv(mine.data(), bytes, MPI_BYTE, all.data(), lengths.data(), offsets.data(), MPI_BYTE,
                         MPI_COMM_WORLD),
          "MPI_Allgatherv");
    std::vector<std::vector<std::byte>> result;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      const auto first = all.begin() + offsets[rank];
      result.emplace_back(first, first + lengths[rank]);
    }
    return result;
  }

 protected:
  void sum_memory(DType type, void* values, std::int64_t count) override {
    const MPI_Datatype of = type == DType::f32 ? MPI_FLOAT : MPI_DOUBLE;
    auto* data = static_cast<std::byte*>(values);
    for (std::int64_t first = 0; first < count; first += kMostElements) {
      const auto part = static_cast<int>(std::min(kMostElements, count - first));
      check(MPI_Allreduce(MPI_IN_PLACE, data + first * size_of(type), part, of, MPI_SUM, MPI_COMM_WORLD),
            "MPI_Allreduce");
    }
  }

  void broadcast_memory(void* values, std::int64_t bytes) override {
    auto* data = static_cast<std::byte*>(values);
    for (std::int64_t first = 0; first < bytes; first += kMostElements) {
      const auto part = static_cast<int>(std::min(kMostElements, bytes - first));
      check(MPI_Bcast(data + first, part, MPI_BYTE, 0, MPI_COMM_WORLD), "MPI_Bcast");
    }
  }

 private:
  int exceptions_ = std::uncaught_exceptions();
};

}  // namespace

std::unique_ptr<Communicator> join_mpi() { return std::make_unique<MpiCommunicator>(initialized_rank()); }

std::optional<std::string> mpi_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> words{};
  int length = 0;
  MPI_Get_library_version(words.data(), &length);
  return std::string(words.data(), static_cast<std::size_t>(length));
}

}  // namespace secateur

#else

#include "secateur/dist/launch.h"

namespace secateur {

std::unique_ptr<Communicator> join_mpi() {
  fail(
      "this job was started by mpirun, but this build has no MPI: install it (Debian: libopenmpi-dev) and "
      "build again, or start every process with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set");
}

std::optional<std::string> mpi_version() { return std::nullopt; }

}  // namespace secateur

#endif
