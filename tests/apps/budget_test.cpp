// Budgets of latency and memory: how they are written, the table of layer times across interruptions and
// damage, and whole runs of the program.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "io/temporary_folder.h"
#include "secateur/advice.h"
#include "secateur/budget_meter.h"
#include "secateur/budget_words.h"
#include "secateur/core/error.h"
#include "secateur/fast_rounding.h"
#include "secateur/io/files.h"
#include "secateur/latency_table.h"
#include "secateur/models/models.h"
#include "test_paths.h"

namespace secateur::app {
namespace {

using Keys = std::vector<std::pair<std::string, std::string>>;
using nlohmann::json;

TEST(BudgetWords, StandForTheKeysOfABudget) {
  EXPECT_EQ(budget_keys(BudgetMeasure::flops, "0.5"),
            (Keys{{"prune.budget-measure", "flops"}, {"prune.budget", "0.5"}, {"prune.budget-amount", "0"}}));
  EXPECT_EQ(budget_keys(BudgetMeasure::params, "100k"),
            (Keys{{"prune.budget-measure", "params"}, {"prune.budget-amount", "100000"}}));
  EXPECT_EQ(budget_keys(BudgetMeasure::latency, "1.5ms@256"), (Keys{{"prune.budget-measure", "latency"},
                                                                    {"prune.budget-amount", "0.0015"},
                                                                    {"prune.budget-batch", "256"}}));
  EXPECT_EQ(budget_keys(BudgetMeasure::memory, "12MiB"),
            (Keys{{"prune.budget-measure", "memory"}, {"prune.budget-amount", "12582912"}}));
  EXPECT_EQ(budget_keys(BudgetMeasure::latency, "0.5@8").back(),
            (Keys::value_type{"prune.budget-batch", "8"}));
}

TEST(BudgetWords, AreSaidAgain) {
  EXPECT_EQ(budget_text({}), "50 % of its multiply-adds");
  EXPECT_EQ(budget_text({.measure = BudgetMeasure::latency, .amount = 0.0015, .batch = 8}),
            "1.5 ms at batch 8");
  EXPECT_EQ(budget_text({.measure = BudgetMeasure::memory, .fraction = 0.25}),
            "25 % of its memory at batch 256");
}

TEST(BudgetWords, WhatIsNoneIsRefusedWithAnExample) {
  for (const auto& [measure, word] : {std::pair{BudgetMeasure::latency, "fast"},
                                      {BudgetMeasure::latency, "1.5"},
                                      {BudgetMeasure::latency, "1.5MiB"},
                                      {BudgetMeasure::latency, "-1ms"},
                                      {BudgetMeasure::latency, "nan"},
                                      {BudgetMeasure::latency, "1ms@"},
                                      {BudgetMeasure::latency, "1ms@0"},
                                      {BudgetMeasure::latency, "1ms@2x"},
                                      {BudgetMeasure::memory, "12ms"},
                                      {BudgetMeasure::flops, "0.5@8"},
                                      {BudgetMeasure::flops, ""}}) {
    try {
      static_cast<void>(budget_keys(measure, word));
      ADD_FAILURE() << word << " was taken";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("for example"), std::string::npos) << error.what();
    }
  }
}

// A small network: two convolutions and a classifier.
Graph small_network() {
  Graph graph;
  NodeId at =
      graph.add("image", "input", {},
                {{"height", std::int64_t{8}}, {"width", std::int64_t{8}}, {"channels", std::int64_t{3}}});
  at = graph.add(
      "a", "conv2d", {at},
      {{"out_channels", std::int64_t{16}}, {"kernel", std::int64_t{3}}, {"padding", std::int64_t{1}}});
  at = graph.add("b", "conv2d", {at}, {{"out_channels", std::int64_t{32}}, {"kernel", std::int64_t{1}}});
  at = graph.add("pool", "global_avg_pool", {at});
  graph.add("classes", "linear", {at}, {{"out_features", std::int64_t{10}}});
  return graph;
}

class LatencyTables : public testing::Test {
 protected:
  LatencyTable table() {
    return latency_table(small_network(), session_,
                         {.batch = 2,
                          .granule = 8,
                          .cache = folder_ / "cache",
                          .run_file = run_file_,
                          .timer = {.seconds = 0, .samples = 1}},
                         quiet_);
  }
  [[nodiscard]] static std::string text_of(const std::filesystem::path& file) {
    const std::vector<std::byte> bytes = read_file(file);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  static void write(const std::filesystem::path& file, std::string_view text) {
    write_file_atomically(file, std::as_bytes(std::span(text)));
  }

  test::TemporaryFolder folder_;
  std::filesystem::path run_file_;
  Session session_{RunSettings{}};
  Progress quiet_{stdout, true};
};

// a: 3 -> {8, 16}; b: {8, 16} -> {8, 16, 24, 32}; pool: {8, 16, 24, 32}; classes: {8, 16, 24, 32} -> 10; the
// network.
constexpr std::int64_t kEntries = 2 + 8 + 4 + 4 + 1;

TEST_F(LatencyTables, AreMeasuredOnce) {
  const LatencyTable first = table();
  EXPECT_EQ(first.measured, kEntries);
  EXPECT_EQ(first.times.size(), kEntries);
  const LatencyTable second = table();
  EXPECT_EQ(second.measured, 0);
  EXPECT_EQ(second.times, first.times);
  EXPECT_EQ(second.model.seconds(small_network()), first.model.seconds(small_network()));
  EXPECT_NEAR(first.model.seconds(small_network()), first.model.whole().seconds,
              1e-9 * first.model.whole().seconds);
}

// Whatever was measured before an interruption is in the file and is not measured again.
TEST_F(LatencyTables, GoOnWhereTheyWereStopped) {
  const LatencyTable first = table();
  json stored = json::parse(text_of(first.file));
  json& entries = stored.at("entries");
  const json kept = entries.at(4);
  entries.erase(entries.begin() + 5, entries.begin() + 12);
  write(first.file, stored.dump());
  const LatencyTable second = table();
  EXPECT_EQ(second.measured, 7);
  EXPECT_EQ(second.times.size(), kEntries);
  EXPECT_EQ(json::parse(text_of(second.file)).at("entries").size(), static_cast<std::size_t>(kEntries));
  const LayerTime* same = second.times.find(kept.at("layer"), kept.at("in"), kept.at("out"));
  ASSERT_NE(same, nullptr);
  EXPECT_EQ(same->seconds, kept.at("seconds"));
}

TEST_F(LatencyTables, ADamagedOrForeignCacheIsMeasuredAnew) {
  const LatencyTable first = table();
  const std::string text = text_of(first.file);
  for (const std::string& damaged :
       {text.substr(0, text.size() / 2), std::string("[]"),
        std::string(text).replace(text.find("\"batch\": 2"), 10, "\"batch\": 3")}) {
    write(first.file, damaged);
    EXPECT_EQ(table().measured, kEntries);
    EXPECT_EQ(LayerTimes::parse(text_of(first.file), "cache").size(), kEntries) << "replaced by a whole one";
  }
}

TEST_F(LatencyTables, ARunGoesOnWithItsOwnCopy) {
  run_file_ = folder_ / "layer-times.json";
  const LatencyTable first = table();
  EXPECT_EQ(LayerTimes::parse(text_of(run_file_), "copy"), first.times);
  std::filesystem::remove_all(folder_ / "cache");
  const LatencyTable second = table();
  EXPECT_EQ(second.measured, 0);
  EXPECT_EQ(second.times, first.times);
  write(run_file_, "{");
  EXPECT_THROW(static_cast<void>(table()), Error)
      << "a run whose table is damaged does not go on with another";
}

TEST_F(LatencyTables, WithoutACacheNothingIsKept) {
  LatencyTableOptions options{.batch = 2, .granule = 8, .timer = {.seconds = 0, .samples = 1}};
  EXPECT_EQ(latency_table(small_network(), session_, options, quiet_).measured, kEntries);
  EXPECT_EQ(latency_table(small_network(), session_, options, quiet_).measured, kEntries);
  options.cache = "/proc/nowhere";
  EXPECT_EQ(latency_table(small_network(), session_, options, quiet_).measured, kEntries);
}

// The budget's bytes are what the program plans and the parameters take: to the byte.
TEST(MemoryBudget, IsThePlanAndTheParameters) {
  Session session{RunSettings{}};
  for (const std::string name : {"resnet8", "vgg16"}) {
    Model model(models::build(name), session.device());
    for (const std::int64_t batch : {1, 16}) {
      const Program program(model, session.arena(), session.stream(), {.batch = batch, .frozen = true});
      const std::int64_t values = model.layout().value_elements() * 4;
      EXPECT_EQ(inference_bytes(model.graph(), session, batch), program.planned_bytes() + values) << name;
    }
  }
}

TEST(FastRounding, IsSettledByTheProcessor) {
  RunOptions options;
  options.prune.width.round_to = 0;
  const SettledRounding settled = settled_rounding(options, models::build("resnet8"));
  EXPECT_EQ(settled.options.width.round_to, 8);
  EXPECT_EQ(settled.options.width.round_to_of.at("layer2.0.conv1"), 8);
  EXPECT_NE(settled.text.find("layer2.0.conv1"), std::string::npos);
  EXPECT_NE(settled.text.find("whole vectors"), std::string::npos);
  options.prune.width.round_to = 4;
  EXPECT_EQ(settled_rounding(options, models::build("resnet8")).text, "");
  options.target.gpu = "h200";
  EXPECT_THROW(static_cast<void>(settled_rounding(options, models::build("resnet8"))), Error);
}

TEST(Advice, WidthsThatAreNoWholeVectorsAreNamed) {
  const std::vector<SlowWidth> slow{{"conv1", 3, 16, 0.1}, {"conv2", 16, 27, 0.16}};
  const std::string text = advice_on_widths(slow, 1);
  for (const char* part : {"2 convolutions", "1 had before", "conv2 (16 -> 27", "16 %", "--round-to auto"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " not in: " << text;
  }
  EXPECT_EQ(advice_on_widths(slow, 2), "");
}

TEST(Advice, LayerTimesOfABusyMachineAreNamedWithTheirFile) {
  const std::string text = advice_on_layer_times(0.029, "/cache/times.json");
  for (const char* part : {"0.029 times", "'/cache/times.json'", "quiet machine"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " not in: " << text;
  }
  EXPECT_NE(advice_on_layer_times(2.1, ""), "");
  EXPECT_EQ(advice_on_layer_times(1.112, "/cache/times.json"), "");
}

struct Outcome {
  int code = -1;
  std::string text;
};

class BudgetRuns : public testing::Test {
 protected:
  void SetUp() override {
    const Outcome trained = run("train --model resnet8 " + kData +
                                " --validation 60 --batch 32 --epochs 1 --out " + path("base"));
    ASSERT_EQ(trained.code, 0) << trained.text;
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] Outcome run(const std::string& arguments) const {
    const std::string command = "SECATEUR_CACHE=" + path("cache") + " " + test::kProgram + " " + arguments +
                                " > " + path("log") + " 2>&1";
    // The shell redirects, and the arguments are ours. NOLINTNEXTLINE(cert-env33-c)
    const int status = std::system(command.c_str());
    std::ifstream file(path("log"));
    std::ostringstream text;
    text << file.rdbuf();
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text.str()};
  }
  [[nodiscard]] Outcome prune(const std::string& out, const std::string& more) const {
    return run("prune --weights " + path("base/model.h5") + " " + kData +
               " --rounds 2 --train-epochs 0 --finetune-epochs 1 --sample-images 32 --fallback no --out " +
               path(out) + " " + more);
  }
  // The last event of a kind in a run's log.
  [[nodiscard]] json event(const std::string& out, const std::string& kind) const {
    std::ifstream log(path(out + "/run.jsonl"));
    json found;
    for (std::string line; std::getline(log, line);) {
      json one = json::parse(line);
      if (one.at("event") == kind) found = std::move(one);
    }
    return found;
  }

  const std::string kData = "--data synthetic --synthetic-train 300 --synthetic-test 60";
  test::TemporaryFolder folder_;
};

// The run's table is given, so that the plan does not hang on how busy this machine is: a layer takes as long
// as it has pairs of channels, and something.
LayerTimes made_up_times(const Graph& network) {
  LayerTimes times({"made up", "none", "fp32", 2, 1, "32x32x3"});
  double sum = 0;
  const auto time = [](std::int64_t in, std::int64_t out) {
    return 1e-5 + 1e-7 * static_cast<double>(in * out);
  };
  for (const Layer& layer : layers_of(network)) sum += time(layer.in, layer.out);
  for (const Measurement& one : measurements_for(network, 8)) {
    times.set(one.kind, one.in, one.out, {one.whole ? sum : time(one.in, one.out), 0.01, 9});
  }
  return times;
}

TEST_F(BudgetRuns, ATimeIsMetByTheTableAndMeasuredAtTheEnd) {
  const Graph network = models::build("resnet8");
  const LayerTimes times = made_up_times(network);
  const std::string table = times.to_json();
  for (const char* out : {"fast", "never"}) {
    std::filesystem::create_directories(path(out));
    write_file_atomically(path(std::string(out) + "/layer-times.json"), std::as_bytes(std::span(table)));
  }
  const Outcome pruned = prune("fast", "--latency 0.7@2");
  ASSERT_EQ(pruned.code, 0) << pruned.text;
  EXPECT_NE(pruned.text.find("(met), at batch 2"), std::string::npos) << pruned.text;
  EXPECT_NE(pruned.text.find("foretold"), std::string::npos) << pruned.text;
  EXPECT_EQ(pruned.text.find("measuring"), std::string::npos) << pruned.text;
  const LatencyModel model(network, times, 8);
  Session session{RunSettings{}};
  const LoadedModel fast = load_model(path("fast/model.h5"), session);
  const json budget = event("fast", "budget");
  EXPECT_EQ(budget.at("measure"), "latency");
  EXPECT_TRUE(budget.at("met"));
  EXPECT_DOUBLE_EQ(budget.at("unpruned"), model.seconds(network));
  EXPECT_DOUBLE_EQ(budget.at("cost"), model.seconds(fast.model.graph()));
  EXPECT_LE(budget.at("cost").get<double>(), 0.7 * model.seconds(network) * (1 + 1e-9));
  EXPECT_GT(budget.at("measured"), 0.0);
  EXPECT_GT(budget.at("measured_samples"), 1);
  EXPECT_GT(budget.at("measured_unpruned"), 0.0);
  std::ifstream report(path("fast/report.html"));
  std::ostringstream page;
  page << report.rdbuf();
  EXPECT_NE(page.str().find("latency at batch 2"), std::string::npos);
  EXPECT_NE(page.str().find("in turns with it"), std::string::npos);

  // What no widths reach is refused before anything is trained, with the range.
  const Outcome impossible = prune("never", "--latency 1us@2");
  EXPECT_EQ(impossible.code, 1);
  EXPECT_NE(impossible.text.find("(0.001 ms)"), std::string::npos) << impossible.text;
  EXPECT_NE(impossible.text.find("choose from"), std::string::npos) << impossible.text;
}

TEST_F(BudgetRuns, AMemoryIsMetToTheGranule) {
  const Outcome pruned = prune("small", "--memory 0.8@32");
  ASSERT_EQ(pruned.code, 0) << pruned.text;
  const json budget = event("small", "budget");
  EXPECT_EQ(budget.at("measure"), "memory");
  EXPECT_TRUE(budget.at("met"));
  Session session{RunSettings{}};
  LoadedModel small = load_model(path("small/model.h5"), session);
  LoadedModel base = load_model(path("base/model.h5"), session);
  EXPECT_EQ(budget.at("cost"), inference_bytes(small.model.graph(), session, 32));
  EXPECT_EQ(budget.at("unpruned"), inference_bytes(base.model.graph(), session, 32));
}

TEST_F(BudgetRuns, PlainNamesAreTheKeysAndOneBudgetIsEnough) {
  const Outcome flops = prune("half", "--flops 0.5 --round-to auto --dry-run");
  EXPECT_EQ(flops.code, 0) << flops.text;
  EXPECT_NE(flops.text.find("multiples of 8: maps are stored in whole vectors"), std::string::npos)
      << flops.text;
  const Outcome two = prune("two", "--flops 0.5 --params 0.3");
  EXPECT_EQ(two.code, 1);
  EXPECT_NE(two.text.find("one budget"), std::string::npos) << two.text;
  const Outcome both = prune("both", "--flops 0.5 --budget 0.5");
  EXPECT_EQ(both.code, 1);
  const Outcome gpu = prune("gpu", "--flops 0.5 --round-to auto --gpu h200 --dry-run");
#ifdef SECATEUR_WITH_CUDA
  EXPECT_EQ(gpu.code, 0) << gpu.text;
#else
  EXPECT_EQ(gpu.code, 1);
  EXPECT_NE(gpu.text.find("cmake --preset cuda"), std::string::npos) << gpu.text;
#endif
}

}  // namespace
}  // namespace secateur::app
