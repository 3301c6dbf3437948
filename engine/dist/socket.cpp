#include "dist/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "secateur/dist/communicator.h"

namespace secateur {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// std::strerror is not safe with threads.
std::string words_of(int error) { return std::generic_category().message(error); }

void set_option(int descriptor, int level, int option, int value) {
  static_cast<void>(::setsockopt(descriptor, level, option, &value, sizeof(value)));
}

int milliseconds_to(Deadline deadline) {
  constexpr std::int64_t kMost = 1 << 30;
  const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, kMost));
}

// False when the deadline passed first.
bool wait_for(int descriptor, short events, Deadline deadline) {
  while (true) {
    pollfd entry{descriptor, events, 0};
    const int ready = ::poll(&entry, 1, milliseconds_to(deadline));
    if (ready > 0) return true;
    if (ready == 0) return false;
    require(errno == EINTR, "waiting for a connection: {}", words_of(errno));
  }
}

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Addresses resolve(const std::string& address, int port, Deadline deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  while (true) {
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (error == 0) return {found, &::freeaddrinfo};
    require(error == EAI_AGAIN && steady_clock::now() < deadline,
            "the address '{}' of rank 0 (MASTER_ADDR) is not known here: {}", address, ::gai_strerror(error));
    std::this_thread::sleep_for(milliseconds(200));
  }
}

bool is_loopback(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof(v4));
    return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address, sizeof(v6));
  return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

// A socket that listens there, or -1 with errno set.
int listen_at(const sockaddr& address, socklen_t length) {
  const int descriptor = ::socket(address.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.sa_family == AF_INET6) set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (::bind(descriptor, &address, length) == 0 && ::listen(descriptor, SOMAXCONN) == 0) return descriptor;
  const int error = errno;
  ::close(descriptor);
  errno = error;
  return -1;
}

int listen_everywhere(int port) {
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(static_cast<std::uint16_t>(port));
  v6.sin6_addr = in6addr_any;
  const int both = listen_at(reinterpret_cast<const sockaddr&>(v6), sizeof(v6));
  if (both >= 0 || errno != EAFNOSUPPORT) return both;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = v6.sin6_port;
  v4.sin_addr.s_addr = htonl(INADDR_ANY);
  return listen_at(reinterpret_cast<const sockaddr&>(v4), sizeof(v4));
}

std::string name_of_peer(int descriptor) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  std::array<char, NI_MAXHOST> host{};
  if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "unknown";
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host.data(), host.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0) {
    return "unknown";
  }
  return host.data();
}

// One attempt; a descriptor, or -1 with errno set.
int connect_once(const addrinfo& to, Deadline deadline) {
  const int descriptor = ::socket(to.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  int error = ::connect(descriptor, to.ai_addr, to.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    error = ETIMEDOUT;
    if (wait_for(descriptor, POLLOUT, deadline)) {
      socklen_t length = sizeof(error);
      if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
    }
  }
  if (error == 0) return descriptor;
  ::close(descriptor);
  errno = error;
  return -1;
}

}  // namespace

Socket::Socket(int descriptor) : descriptor_(descriptor), peer_(name_of_peer(descriptor)) {
  static_cast<void>(::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK));
  set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, 20);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 6);
  set_option(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000);
}

Socket::~Socket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Socket::Socket(Socket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), peer_(std::move(other.peer_)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(peer_, other.peer_);
  return *this;
}

void Socket::wait(short events, Deadline deadline) const {
  if (!wait_for(descriptor_, events, deadline)) {
    throw LostProcessError(fmt::format(
        "{} did not answer in time: it hangs, or is far behind (SECATEUR_DIST_TIMEOUT, in seconds)", peer_));
  }
}

void Socket::send(std::span<const std::byte> bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait(POLLOUT, deadline);
    } else if (errno != EINTR) {
      throw LostProcessError(
          fmt::format("{} is gone: {}", peer_, errno == EPIPE ? "it ended" : words_of(errno)));
    }
  }
}

void Socket::receive(std::span<std::byte> bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t came = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
    if (came > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(came));
    } else if (came == 0) {
      throw LostProcessError(fmt::format("{} is gone: it ended", peer_));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait(POLLIN, deadline);
    } else if (errno != EINTR) {
      throw LostProcessError(
          fmt::format("{} is gone: {}", peer_, errno == ECONNRESET ? "it ended" : words_of(errno)));
    }
  }
}

bool Socket::closed_by_peer() const {
  pollfd entry{descriptor_, POLLRDHUP, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

Socket connect_to(const std::string& address, int port, Deadline deadline) {
  const Addresses addresses = resolve(address, port, deadline);
  while (true) {
    int error = 0;
    for (const addrinfo* to = addresses.get(); to != nullptr; to = to->ai_next) {
      const int descriptor = connect_once(*to, deadline);
      if (descriptor >= 0) return Socket(descriptor);
      error = errno;
    }
    require(steady_clock::now() < deadline,
            "rank 0 could not be reached at {}:{} (MASTER_ADDR, MASTER_PORT): {}; is it running?", address,
            port, words_of(error));
    std::this_thread::sleep_for(milliseconds(50));
  }
}

Listener::Listener(const std::string& address, int port) {
  const Addresses addresses = resolve(address, port, steady_clock::now());
  const bool here_alone = is_loopback(*addresses->ai_addr);
  descriptor_ = here_alone ? listen_at(*addresses->ai_addr, addresses->ai_addrlen) : listen_everywhere(port);
  require(descriptor_ >= 0, "rank 0 cannot listen at {}:{} (MASTER_ADDR, MASTER_PORT): {}", address, port,
          words_of(errno));
}

Listener::~Listener() { ::close(descriptor_); }

std::optional<Socket> Listener::accept(Deadline deadline) {
  while (wait_for(descriptor_, POLLIN, deadline)) {
    const int descriptor = ::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor >= 0) return Socket(descriptor);
    // Whoever came may be gone again.
    require(errno == EAGAIN || errno == EWOULDBLOCK || errno == ECONNABORTED || errno == EINTR,
            "rank 0 cannot take a connection: {}", words_of(errno));
  }
  return std::nullopt;
}

}  // namespace secateur
