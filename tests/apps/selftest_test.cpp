// secateur selftest: which checks it runs, its exit code, and what it writes.
#include <nlohmann/json.hpp>

#include "apps/program_fixture.h"

namespace secateur {
namespace {

using nlohmann::json;

using SelftestCommand = test::ProgramTest;

TEST_F(SelftestCommand, RunsTheChecksThatAreAskedFor) {
  const test::Outcome outcome = run("selftest --device cpu --filter relu --json " + path("checks.json"));
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_TRUE(outcome.says("all passed")) << outcome.text;
  std::ifstream file(path("checks.json"));
  const json report = json::parse(file);
  ASSERT_GT(report.at("checks").size(), 0U);
  for (const json& check : report.at("checks")) {
    const std::string name = check.at("part").get<std::string>() + "/" + check.at("name").get<std::string>();
    EXPECT_NE(name.find("relu"), std::string::npos) << name;
    EXPECT_TRUE(check.at("passed").get<bool>()) << name;
    EXPECT_LE(check.at("error_over_bound").get<double>(), 1) << name;
  }
}

TEST_F(SelftestCommand, SaysWhatIsWrong) {
  const test::Outcome none = run("selftest --filter no-such-check");
  EXPECT_NE(none.code, 0);
  EXPECT_TRUE(none.says("no check has 'no-such-check' in its name")) << none.text;
  const test::Outcome device = run("selftest --device abacus");
  EXPECT_NE(device.code, 0);
  EXPECT_TRUE(device.says("abacus")) << device.text;
}

}  // namespace
}  // namespace secateur
