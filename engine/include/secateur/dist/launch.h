// How a job of several processes was started, and how its processes find each other.
//
//   mpirun -np 2 PROGRAM            by MPI, where this build has it
//   RANK=0 WORLD_SIZE=2 PROGRAM     by TCP, in the manner of torchrun: rank 0 listens at
//                                   MASTER_ADDR:MASTER_PORT and the others come to it
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "secateur/dist/communicator.h"

namespace secateur {

struct TcpRendezvous {
  std::string address = "127.0.0.1";  // a name or a number, of the machine of rank 0
  int port = 29500;
  // Within which all ranks must have come.
  std::chrono::milliseconds arrival{std::chrono::minutes(5)};
  // Within which every other rank must have come to the same exchange.
  std::chrono::milliseconds patience{std::chrono::minutes(30)};
};

struct Launch {
  enum class Way : std::uint8_t { alone, mpi, tcp };
  Way way = Way::alone;
  // On this machine: which GPU it takes, and how many processes share the processors.
  int local_rank = 0;
  int local_size = 1;
  int rank = 0;  // by MPI: as mpirun says, for messages; MPI itself has the last word
  int size = 1;
  TcpRendezvous rendezvous;
};

// The value of an environment variable, or nothing.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
[[nodiscard]] Environment process_environment();

// Reads OMPI_COMM_WORLD_SIZE, _RANK, _LOCAL_RANK, _LOCAL_SIZE (Open MPI) or PMI_SIZE, PMI_RANK,
// MPI_LOCALRANKID, MPI_LOCALNRANKS (MPICH and its kin); else RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE,
// MASTER_ADDR and MASTER_PORT (of torchrun itself, whose store has that port: the next one).
// SECATEUR_DIST_TIMEOUT: seconds for both times of a rendezvous. Throws Error that names a variable with an
// impossible value, or one that is missing.
[[nodiscard]] Launch launch_from(const Environment& environment);

// Joins the job: waits until all of its processes have come. Null where there is no other. Throws Error that
// says what was waited for: no MPI in this build, an address that cannot be reached, ranks that did not come.
[[nodiscard]] std::unique_ptr<Communicator> join(const Launch& launch);

// The ways by themselves. Only one communicator of MPI can be made in the life of a process.
[[nodiscard]] std::unique_ptr<Communicator> join_mpi();
[[nodiscard]] std::unique_ptr<Communicator> join_tcp(int rank, int size, const TcpRendezvous& rendezvous);

// "Open MPI v4.1.4, ..."; nothing where this build has no MPI.
[[nodiscard]] std::optional<std::string> mpi_version();

}  // namespace secateur
