#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exception>
#include <thread>
#include <vector>

#include "job.h"

namespace secateur::test {

int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  require(::bind(descriptor, plain, length) == 0 && ::getsockname(descriptor, plain, &length) == 0,
          "no port is free");
  ::close(descriptor);
  return ntohs(address.sin_port);
}

TcpRendezvous rendezvous_at(int port) {
  using std::chrono::seconds;
  return {.address = "127.0.0.1", .port = port, .arrival = seconds(20), .patience = seconds(60)};
}

void run_job(int size, const std::function<void(Communicator&)>& body) {
  const TcpRendezvous where = rendezvous_at(free_port());
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(size));
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < size; ++rank) {
    ranks.emplace_back([&, rank] {
      try {
        const auto communicator = join_tcp(rank, size, where);
        body(*communicator);
      } catch (...) {
        failures[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& rank : ranks) rank.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

bool can_run_job(int /*size*/) { return true; }

}  // namespace secateur::test
