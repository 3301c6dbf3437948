// How a job was started is read off the environment.
#include <gtest/gtest.h>

#include <map>

#include "secateur/dist/launch.h"

namespace secateur {
namespace {

using Variables = std::map<std::string, std::string>;

Launch launch_with(const Variables& variables) {
  return launch_from([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

std::string error_of(const Variables& variables) {
  try {
    static_cast<void>(launch_with(variables));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Launch, AloneWithoutVariables) {
  EXPECT_EQ(launch_with({}).way, Launch::Way::alone);
  EXPECT_EQ(launch_with({{"WORLD_SIZE", "1"}}).way, Launch::Way::alone);
  EXPECT_EQ(launch_with({{"OMPI_COMM_WORLD_SIZE", "1"}}).way, Launch::Way::alone);
  EXPECT_EQ(join(launch_with({})), nullptr);
}

TEST(Launch, ByMpirun) {
  const Launch open_mpi = launch_with({{"OMPI_COMM_WORLD_SIZE", "4"},
                                       {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                       {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                       {"WORLD_SIZE", "8"}});
  EXPECT_EQ(open_mpi.way, Launch::Way::mpi);
  EXPECT_EQ(open_mpi.local_rank, 1);
  EXPECT_EQ(open_mpi.local_size, 2);
  const Launch mpich = launch_with({{"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}});
  EXPECT_EQ(mpich.way, Launch::Way::mpi);
  EXPECT_EQ(mpich.local_rank, 1);
}

TEST(Launch, ByTheVariablesOfTorchrun) {
  const Launch launch = launch_with({{"WORLD_SIZE", "4"},
                                     {"RANK", "3"},
                                     {"LOCAL_RANK", "1"},
                                     {"LOCAL_WORLD_SIZE", "2"},
                                     {"MASTER_ADDR", "node0"},
                                     {"MASTER_PORT", "1234"},
                                     {"SECATEUR_DIST_TIMEOUT", "9"}});
  EXPECT_EQ(launch.way, Launch::Way::tcp);
  EXPECT_EQ(launch.rank, 3);
  EXPECT_EQ(launch.size, 4);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_size, 2);
  EXPECT_EQ(launch.rendezvous.address, "node0");
  EXPECT_EQ(launch.rendezvous.port, 1234);
  EXPECT_EQ(launch.rendezvous.arrival, std::chrono::seconds(9));
  // On one machine two variables are enough.
  const Launch short_form = launch_with({{"WORLD_SIZE", "2"}, {"RANK", "1"}});
  EXPECT_EQ(short_form.rendezvous.address, "127.0.0.1");
  EXPECT_EQ(short_form.local_rank, 1);
  EXPECT_EQ(short_form.local_size, 2);
}

TEST(Launch, ByTorchrunItself) {
  EXPECT_EQ(launch_with({{"WORLD_SIZE", "2"},
                         {"RANK", "1"},
                         {"MASTER_PORT", "4000"},
                         {"TORCHELASTIC_USE_AGENT_STORE", "True"}})
                .rendezvous.port,
            4001);
}

TEST(Launch, NamesTheVariableThatIsWrong) {
  EXPECT_NE(error_of({{"WORLD_SIZE", "2"}}).find("RANK is not"), std::string::npos);
  EXPECT_NE(error_of({{"WORLD_SIZE", "2"}, {"RANK", "2"}}).find("RANK is '2', expected a number from 0 to 1"),
            std::string::npos);
  EXPECT_NE(error_of({{"WORLD_SIZE", "two"}}).find("WORLD_SIZE is 'two'"), std::string::npos);
  EXPECT_NE(error_of({{"WORLD_SIZE", "2"}, {"RANK", "0"}, {"MASTER_PORT", "70000"}}).find("MASTER_PORT"),
            std::string::npos);
}

}  // namespace
}  // namespace secateur
