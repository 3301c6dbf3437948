// A job of several ranks, for tests: threads of this process that talk by TCP (job_of_threads.cpp), or the
// processes that mpirun started (tests/dist_mpi).
#pragma once

#include <functional>

#include "secateur/dist/communicator.h"
#include "secateur/dist/launch.h"

namespace secateur::test {

// A port of this machine that nobody listens on.
[[nodiscard]] int free_port();
// On this machine, with times that suit a test.
[[nodiscard]] TcpRendezvous rendezvous_at(int port);

// Runs `body` on every rank. Throws what the lowest rank threw.
void run_job(int size, const std::function<void(Communicator&)>& body);
// Whether there can be a job of so many ranks here.
[[nodiscard]] bool can_run_job(int size);

}  // namespace secateur::test
