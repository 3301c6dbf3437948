// TCP without any library: rank 0 has a connection to every other rank. It adds up in the order of the ranks
// and sends the result to all, which makes the bits equal everywhere. Meant for a few processes: what passes
// through rank 0 grows with their number.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "dist/host_communicator.h"
#include "dist/socket.h"
#include "secateur/dist/launch.h"

namespace secateur {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint32_t kProtocol = 1;
constexpr std::array<char, 8> kMagic{'S', 'E', 'C', 'A', 'T', 'E', 'U', 'R'};

// What a rank says when it comes, and what rank 0 answers.
struct Hello {
  std::array<char, 8> magic = kMagic;
  std::uint32_t protocol = kProtocol;
  std::int32_t rank = 0;
  std::int32_t size = 0;
};
enum class Answer : std::uint32_t { welcome, wrong_size, rank_taken, wrong_protocol };

// Goes before the bytes of every exchange, so that ranks which went apart in their program are told so.
struct Header {
  std::uint32_t kind = 0;
  std::uint32_t number = 0;  // of the exchange, from 0
  std::int64_t bytes = 0;
  bool operator==(const Header&) const = default;
};
enum Kind : std::uint32_t { kSumFloat, kSumDouble, kBroadcast, kGather };

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

template <class T>
T received(Socket& socket, Deadline deadline) {
  T value;
  socket.receive(std::as_writable_bytes(std::span(&value, 1)), deadline);
  return value;
}

std::string seconds_text(milliseconds time) {
  return fmt::format("{:.3g} s", 1e-3 * static_cast<double>(time.count()));
}

Socket go_to_first(int rank, int size, const TcpRendezvous& where) {
  const Deadline deadline = steady_clock::now() + where.arrival;
  Socket socket = connect_to(where.address, where.port, deadline);
  socket.set_peer(fmt::format("rank 0 ({}:{})", where.address, where.port));
  socket.send(bytes_of(Hello{.rank = rank, .size = size}), deadline);
  switch (received<Answer>(socket, deadline)) {
    case Answer::welcome:
      return socket;
    case Answer::wrong_size:
      fail("rank 0 has another WORLD_SIZE than the {} of rank {}", size, rank);
    case Answer::rank_taken:
      fail("there is a rank {} already at {}:{}: each process needs a RANK of its own", rank, where.address,
           where.port);
    case Answer::wrong_protocol:
      break;
  }
  fail("rank 0 runs another version of this program");
}

// Whoever came, or nothing where it is none of ours (something that tries ports out).
std::optional<Hello> hello_of(Socket& socket, Deadline deadline) {
  constexpr milliseconds kPatience{2000};
  try {
    const auto hello = received<Hello>(socket, std::min(deadline, steady_clock::now() + kPatience));
    if (hello.magic == kMagic) return hello;
  } catch (const LostProcessError&) {
    return std::nullopt;
  }
  return std::nullopt;
}

// The connections to ranks 1, 2, ...
std::vector<Socket> receive_others(int size, const TcpRendezvous& where) {
  const Deadline deadline = steady_clock::now() + where.arrival;
  Listener listener(where.address, where.port);
  std::vector<std::optional<Socket>> came(static_cast<std::size_t>(size - 1));
  const auto missing = [&] {
    std::vector<int> ranks;
    for (std::size_t i = 0; i < came.size(); ++i) {
      if (!came[i]) ranks.push_back(static_cast<int>(i) + 1);
    }
    return ranks;
  };
  while (!missing().empty()) {
    std::optional<Socket> socket = listener.accept(deadline);
    require(socket.has_value(), "rank 0 waited {} at {}:{} for {} processes, but rank {} did not come",
            seconds_text(where.arrival), where.address, where.port, size, fmt::join(missing(), ", "));
    const std::optional<Hello> hello = hello_of(*socket, deadline);
    if (!hello) continue;
    const auto refuse = [&](Answer answer) { socket->send(bytes_of(answer), deadline); };
    if (hello->protocol != kProtocol) refuse(Answer::wrong_protocol);
    require(hello->protocol == kProtocol, "the process at {} runs another version of this program",
            socket->peer());
    if (hello->size != size) refuse(Answer::wrong_size);
    require(hello->size == size, "rank {} ({}) has a WORLD_SIZE of {}, and rank 0 one of {}", hello->rank,
            socket->peer(), hello->size, size);
    const bool is_new =
        hello->rank >= 1 && hello->rank < size && !came[static_cast<std::size_t>(hello->rank - 1)];
    if (!is_new) refuse(Answer::rank_taken);
    require(is_new, "two processes came as rank {}, the second from {}: each needs a RANK of its own",
            hello->rank, socket->peer());
    socket->set_peer(fmt::format("rank {} ({})", hello->rank, socket->peer()));
    came[static_cast<std::size_t>(hello->rank - 1)] = std::move(*socket);
  }
  // Only now: a job that lacks a rank has not begun for anyone.
  std::vector<Socket> sockets;
  for (std::optional<Socket>& socket : came) {
    socket->send(bytes_of(Answer::welcome), deadline);
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

class TcpCommunicator final : public HostCommunicator {
 public:
  TcpCommunicator(int rank, int size, const TcpRendezvous& where)
      : HostCommunicator(rank, size), patience_(where.patience) {
    if (rank == 0) {
      peers_ = receive_others(size, where);
    } else {
      peers_.push_back(go_to_first(rank, size, where));
    }
  }

  [[nodiscard]] std::string description() const override { return "TCP"; }

  [[nodiscard]] std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> mine) override {
    const Deadline deadline = begin();
    std::vector<std::vector<std::byte>> all(static_cast<std::size_t>(size()));
    if (rank() == 0) {
      all[0].assign(mine.begin(), mine.end());
      for (std::size_t i = 0; i < peers_.size(); ++i) {
        all[i + 1].resize(static_cast<std::size_t>(expect(peers_[i], kGather, kAnyLength, deadline)));
        peers_[i].receive(all[i + 1], deadline);
      }
      for (Socket& peer : peers_) {
        for (const std::vector<std::byte>& part : all) send(peer, kGather, part, deadline);
      }
    } else {
      send(peers_[0], kGather, mine, deadline);
      for (std::vector<std::byte>& part : all) {
        part.resize(static_cast<std::size_t>(expect(peers_[0], kGather, kAnyLength, deadline)));
        peers_[0].receive(part, deadline);
      }
    }
    return all;
  }

  [[nodiscard]] std::string failure() override {
    for (const Socket& peer : peers_) {
      if (peer.closed_by_peer()) return fmt::format("{} is gone: it ended", peer.peer());
    }
    return {};
  }

 protected:
  void sum_memory(DType type, void* values, std::int64_t count) override {
    if (type == DType::f32) {
      sum_of(kSumFloat, std::span(static_cast<float*>(values), static_cast<std::size_t>(count)));
    } else {
      sum_of(kSumDouble, std::span(static_cast<double*>(values), static_cast<std::size_t>(count)));
    }
  }

  void broadcast_memory(void* values, std::int64_t bytes) override {
    const Deadline deadline = begin();
    const std::span memory(static_cast<std::byte*>(values), static_cast<std::size_t>(bytes));
    if (rank() == 0) {
      for (Socket& peer : peers_) send(peer, kBroadcast, memory, deadline);
    } else {
      expect(peers_[0], kBroadcast, bytes, deadline);
      peers_[0].receive(memory, deadline);
    }
  }

 private:
  static constexpr std::int64_t kAnyLength = -1;
  static constexpr std::int64_t kMostGathered = std::int64_t{1} << 30;

  Deadline begin() {
    ++number_;
    return steady_clock::now() + patience_;
  }

  void send(Socket& peer, Kind kind, std::span<const std::byte> bytes, Deadline deadline) const {
    peer.send(bytes_of(Header{kind, number_, static_cast<std::int64_t>(bytes.size())}), deadline);
    peer.send(bytes, deadline);
  }

  // The length of what comes.
  std::int64_t expect(Socket& peer, Kind kind, std::int64_t bytes, Deadline deadline) const {
    const auto header = received<Header>(peer, deadline);
    const bool fits =
        bytes == kAnyLength ? header.bytes >= 0 && header.bytes <= kMostGathered : header.bytes == bytes;
    require(
        header.kind == kind && header.number == number_ && fits,
        "the processes went apart: rank {} is at exchange {} (kind {}, {} bytes), {} at exchange {} (kind "
        "{}, {} bytes)",
        rank(), number_, static_cast<std::uint32_t>(kind), bytes, peer.peer(), header.number, header.kind,
        header.bytes);
    return header.bytes;
  }

  template <class T>
  void sum_of(Kind kind, std::span<T> values) {
    const Deadline deadline = begin();
    const auto bytes = static_cast<std::int64_t>(values.size_bytes());
    if (rank() == 0) {
      for (Socket& peer : peers_) {
        expect(peer, kind, bytes, deadline);
        add_from(peer, values, deadline);
      }
      for (Socket& peer : peers_) send(peer, kind, std::as_bytes(values), deadline);
    } else {
      send(peers_[0], kind, std::as_bytes(values), deadline);
      expect(peers_[0], kind, bytes, deadline);
      peers_[0].receive(std::as_writable_bytes(values), deadline);
    }
  }

  template <class T>
  static void add_from(Socket& peer, std::span<T> values, Deadline deadline) {
    std::array<T, 16384> part;
    while (!values.empty()) {
      const std::size_t count = std::min(values.size(), part.size());
      peer.receive(std::as_writable_bytes(std::span(part).first(count)), deadline);
      for (std::size_t i = 0; i < count; ++i) values[i] += part[i];
      values = values.subspan(count);
    }
  }

  milliseconds patience_;
  std::uint32_t number_ = 0;
  std::vector<Socket> peers_;  // of rank 0: all others; of these: rank 0
};

}  // namespace

std::unique_ptr<Communicator> join_tcp(int rank, int size, const TcpRendezvous& rendezvous) {
  require(size >= 2, "a job of {} processes has nothing to join", size);
  return std::make_unique<TcpCommunicator>(rank, size, rendezvous);
}

}  // namespace secateur
