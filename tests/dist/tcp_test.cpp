// The rendezvous by TCP, and what is said when it fails: nobody there, ranks that never come, processes that
// do not belong together, one that dies.
#include <gtest/gtest.h>

#include <array>
#include <exception>
#include <future>
#include <thread>

#include "dist/socket.h"
#include "job.h"

namespace secateur {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::free_port;
using test::rendezvous_at;

TcpRendezvous hasty(int port) {
  TcpRendezvous where = rendezvous_at(port);
  where.arrival = milliseconds(400);
  where.patience = milliseconds(400);
  return where;
}

// The error's words, or "" where there was none.
std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

std::string error_of_joining(int rank, int size, const TcpRendezvous& where) {
  return error_of([&] { static_cast<void>(join_tcp(rank, size, where)); });
}

void expect_says(const std::string& words, const std::string& part) {
  EXPECT_NE(words.find(part), std::string::npos) << "\"" << words << "\" does not hold \"" << part << "\"";
}

TEST(Rendezvous, SaysThatNobodyListens) {
  const auto start = steady_clock::now();
  const int port = free_port();
  const std::string words = error_of_joining(1, 2, hasty(port));
  expect_says(words, "rank 0 could not be reached at 127.0.0.1:" + std::to_string(port));
  expect_says(words, "Connection refused");
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(Rendezvous, SaysThatTheAddressIsUnknown) {
  TcpRendezvous where = hasty(free_port());
  where.address = "no-such-machine.invalid";
  expect_says(error_of_joining(1, 2, where), "'no-such-machine.invalid' of rank 0 (MASTER_ADDR)");
}

TEST(Rendezvous, SaysWhichRanksDidNotCome) {
  const TcpRendezvous where = hasty(free_port());
  auto second = std::async(std::launch::async, [&] { return error_of_joining(2, 4, where); });
  const std::string words = error_of_joining(0, 4, where);
  expect_says(words, "for 4 processes, but rank 1, 3 did not come");
  // The rank that came is not left waiting.
  expect_says(second.get(), "rank 0");
}

TEST(Rendezvous, SaysThatThePortIsTaken) {
  const int port = free_port();
  const Listener other("127.0.0.1", port);
  expect_says(error_of_joining(0, 2, hasty(port)), "Address already in use");
}

// An address that is not the machine's own loop: rank 0 listens at all that the machine has.
TEST(Rendezvous, TakesPlaceAtEveryAddressOfTheMachine) {
  const int port = free_port();
  TcpRendezvous everywhere = rendezvous_at(port);
  everywhere.address = "0.0.0.0";
  const auto sum_of = [](int rank, const TcpRendezvous& where) {
    std::array<double, 2> values{1.0 + rank, 10.0};
    join_tcp(rank, 2, where)->sum(values);
    return values;
  };
  auto other = std::async(std::launch::async, sum_of, 1, rendezvous_at(port));
  EXPECT_EQ(sum_of(0, everywhere), (std::array{3.0, 20.0}));
  EXPECT_EQ(other.get(), (std::array{3.0, 20.0}));
}

TEST(Rendezvous, RefusesAnotherSizeOfTheWorld) {
  const TcpRendezvous where = rendezvous_at(free_port());
  auto second = std::async(std::launch::async, [&] { return error_of_joining(1, 3, where); });
  expect_says(error_of_joining(0, 2, where), "has a WORLD_SIZE of 3, and rank 0 one of 2");
  expect_says(second.get(), "rank 0 has another WORLD_SIZE than the 3 of rank 1");
}

TEST(Rendezvous, RefusesARankThatIsThereAlready) {
  const TcpRendezvous where = rendezvous_at(free_port());
  std::vector<std::future<std::string>> twins;
  for (int i = 0; i < 2; ++i) {
    twins.push_back(std::async(std::launch::async, [&] { return error_of_joining(1, 3, where); }));
  }
  expect_says(error_of_joining(0, 3, where), "two processes came as rank 1");
  const std::string both = twins[0].get() + twins[1].get();
  expect_says(both, "there is a rank 1 already");
}

TEST(Rendezvous, IsNotDisturbedByAStranger) {
  const TcpRendezvous where = rendezvous_at(free_port());
  auto first = std::async(std::launch::async, [&] { return join_tcp(0, 2, where)->size(); });
  {
    Socket stranger = connect_to(where.address, where.port, steady_clock::now() + where.arrival);
    const std::string request = "GET / HTTP/1.1\r\nHost: example\r\n\r\n";
    stranger.send(std::as_bytes(std::span(request)), steady_clock::now() + where.arrival);
  }
  const auto second = join_tcp(1, 2, where);
  EXPECT_EQ(first.get(), 2);
}

// Rank 1 leaves while rank 0 waits for it.
TEST(LostProcess, EndsTheOthersWithItsRank) {
  const TcpRendezvous where = rendezvous_at(free_port());
  std::thread leaver([&] { static_cast<void>(join_tcp(1, 2, where)); });
  const auto communicator = join_tcp(0, 2, where);
  leaver.join();
  std::vector<double> values(10);
  const auto start = steady_clock::now();
  EXPECT_THROW(communicator->sum(values), LostProcessError);
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(5));
  expect_says(error_of([&] { communicator->barrier(); }), "rank 1 (127.0.0.1) is gone");
  expect_says(communicator->failure(), "rank 1 (127.0.0.1) is gone");
}

TEST(LostProcess, IsNoticedWhenItHangs) {
  TcpRendezvous where = rendezvous_at(free_port());
  where.patience = milliseconds(300);
  std::promise<void> done;
  std::thread hanging([&] {
    const auto communicator = join_tcp(1, 2, where);
    done.get_future().wait();
  });
  const auto communicator = join_tcp(0, 2, where);
  EXPECT_EQ(communicator->failure(), "");
  expect_says(error_of([&] { communicator->barrier(); }), "did not answer in time");
  done.set_value();
  hanging.join();
}

TEST(LostProcess, RanksThatWentApartAreTold) {
  const TcpRendezvous where = rendezvous_at(free_port());
  std::thread other([&] {
    const auto communicator = join_tcp(1, 2, where);
    static_cast<void>(error_of([&] { communicator->barrier(); }));
  });
  auto communicator = join_tcp(0, 2, where);
  std::vector<double> values(4);
  expect_says(error_of([&] { communicator->sum(values); }), "the processes went apart");
  communicator.reset();  // a process that ends on the error closes its connections
  other.join();
}

}  // namespace
}  // namespace secateur
