#include "secateur/io/run_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "io/temporary_folder.h"

namespace secateur {
namespace {

using test::read_text;
using test::TemporaryFolder;
using test::write_text;

std::vector<nlohmann::json> events_in(const std::filesystem::path& path) {
  std::istringstream lines(read_text(path));
  std::vector<nlohmann::json> events;
  for (std::string line; std::getline(lines, line);) events.push_back(nlohmann::json::parse(line));
  return events;
}

TEST(RunLog, WritesOneObjectALine) {
  const TemporaryFolder folder;
  RunLog log(folder / "run.jsonl");
  log.write("epoch", {{"epoch", 3},
                      {"loss", 0.1},
                      {"whole", 2.0},
                      {"best", true},
                      {"note", "two\nlines \"quoted\""},
                      {"widths", std::vector<std::int64_t>{16, 7}},
                      {"rates", std::vector<double>{0.5, std::nan("")}},
                      {"names", std::vector<std::string>{"conv1", "conv2"}},
                      {"diverged", std::numeric_limits<double>::infinity()},
                      {"none", std::vector<std::int64_t>{}}});
  // Read while the log is open: every event is on its way at once.
  const std::string text = read_text(folder / "run.jsonl");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  const std::vector<nlohmann::json> events = events_in(folder / "run.jsonl");
  ASSERT_EQ(events.size(), 1U);
  nlohmann::json event = events[0];
  std::string time = event["time"].get<std::string>();
  std::replace_if(
      time.begin(), time.end(), [](char letter) { return letter >= '0' && letter <= '9'; }, '9');
  EXPECT_EQ(time, "9999-99-99T99:99:99.999Z");
  EXPECT_GE(event["elapsed"].get<double>(), 0.0);
  EXPECT_LT(event["elapsed"].get<double>(), 60.0);
  event.erase("time");
  event.erase("elapsed");
  EXPECT_EQ(event,
            nlohmann::json::parse(R"({"event": "epoch", "epoch": 3, "loss": 0.1, "whole": 2.0, "best": true,
      "note": "two\nlines \"quoted\"", "widths": [16, 7], "rates": [0.5, null], "names": ["conv1", "conv2"],
      "diverged": null, "none": []})"));
  EXPECT_TRUE(event["whole"].is_number_float());
  EXPECT_TRUE(event["epoch"].is_number_integer());
}

TEST(RunLog, GoesOnInTheSameFile) {
  const TemporaryFolder folder;
  RunLog(folder / "run.jsonl").write("start", {});
  RunLog(folder / "run.jsonl").write("resume", {});
  const auto events = events_in(folder / "run.jsonl");
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0]["event"], "start");
  EXPECT_EQ(events[1]["event"], "resume");
}

TEST(RunLog, DropsHalfALineOfAKilledProcess) {
  const TemporaryFolder folder;
  for (const char* half : {"{", "{\"event\": \"ep", "{\"event\": \"epoch\", \"loss\": 0.", "{\"a\": [1, 2"}) {
    write_text(folder / "run.jsonl", std::string("{\"event\": \"start\"}\n") + half);
    RunLog(folder / "run.jsonl").write("resume", {});
    const auto events = events_in(folder / "run.jsonl");
    ASSERT_EQ(events.size(), 2U) << half;
    EXPECT_EQ(events[1]["event"], "resume");
  }
  write_text(folder / "run.jsonl", "{\"event\": \"whole\"}");
  RunLog(folder / "run.jsonl").write("resume", {});
  EXPECT_EQ(events_in(folder / "run.jsonl").size(), 2U);
}

TEST(RunLog, KeepsOffOtherFiles) {
  const TemporaryFolder folder;
  for (const char* text : {"some notes\n", "{\"event\": \"start\"}\nnotes"}) {
    write_text(folder / "notes", text);
    EXPECT_ERROR(RunLog(folder / "notes"), "notes'", "run log");
    EXPECT_EQ(read_text(folder / "notes"), text);
  }
}

TEST(RunLog, ReportsWhatCannotBeWritten) {
  const TemporaryFolder folder;
  EXPECT_ERROR(RunLog(folder / "missing" / "run.jsonl"), "missing/run.jsonl", "No such file");
  EXPECT_ERROR(RunLog{folder.path()}, folder.path().string(), "directory");
  RunLog full("/dev/full");
  EXPECT_ERROR(full.write("start", {}), "/dev/full", "No space left");
}

TEST(RunLog, RefusesAFieldTwice) {
  const TemporaryFolder folder;
  RunLog log(folder / "run.jsonl");
  EXPECT_ERROR(log.write("epoch", {{"loss", 1.0}, {"loss", 2.0}}), "epoch", "loss");
  EXPECT_ERROR(log.write("epoch", {{"time", 1.0}}), "time");
  EXPECT_EQ(read_text(folder / "run.jsonl"), "");
}

TEST(RunLog, SurvivesTextThatIsNotUtf8) {
  const TemporaryFolder folder;
  RunLog(folder / "run.jsonl").write("start", {{"file", "caf\xe9"}});
  EXPECT_EQ(events_in(folder / "run.jsonl").at(0)["file"], "caf\xEF\xBF\xBD");
}

class CountingSink final : public EventSink {
 public:
  void write(std::string_view event, const LogFields& fields) override {
    seen.emplace_back(event);
    num_fields += fields.size();
  }
  std::vector<std::string> seen;
  std::size_t num_fields = 0;
};

TEST(EventFanOut, PassesEveryEventToEverySink) {
  CountingSink first;
  CountingSink second;
  EventFanOut both({&first, &second});
  both.write("a", {{"x", 1}});
  both.write("b", {});
  EXPECT_EQ(first.seen, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(second.seen, first.seen);
  EXPECT_EQ(second.num_fields, 1U);
}

}  // namespace
}  // namespace secateur
