// A connected TCP socket with deadlines: every call either moves all of its bytes or throws.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace secateur {

using Deadline = std::chrono::steady_clock::time_point;

class Socket {
 public:
  // Takes over an open descriptor and makes it non-blocking, without delay for small messages, and watched by
  // keep-alive probes: a machine that went silent is noticed within a minute.
  explicit Socket(int descriptor);
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // What errors call the other end: "rank 1 (10.0.0.2)".
  void set_peer(std::string name) { peer_ = std::move(name); }
  [[nodiscard]] const std::string& peer() const { return peer_; }

  // Throw LostProcessError that names the other end: it closed the connection, or the deadline passed.
  void send(std::span<const std::byte> bytes, Deadline deadline);
  void receive(std::span<std::byte> bytes, Deadline deadline);
  // True once the other end has closed the connection. Does not wait.
  [[nodiscard]] bool closed_by_peer() const;

 private:
  void wait(short events, Deadline deadline) const;

  int descriptor_;
  std::string peer_ = "another process";
};

// Connects, and tries again while nobody listens there, until the deadline. Throws Error that names the
// address and the reason.
[[nodiscard]] Socket connect_to(const std::string& address, int port, Deadline deadline);

class Listener {
 public:
  // Listens on all interfaces of this machine, or where `address` is that of this machine alone (127.0.0.1,
  // localhost), there alone. Throws Error that names the address and the reason.
  Listener(const std::string& address, int port);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  // The next connection; nothing when the deadline passed.
  [[nodiscard]] std::optional<Socket> accept(Deadline deadline);

 private:
  int descriptor_ = -1;
};

}  // namespace secateur
