// Numbers that are not finite, through the program: a run stops with the layer named, or goes back to its
// last checkpoint with half the learning rate and ends; a file that holds them is refused.
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/program_fixture.h"
#include "secateur/io/checkpoint.h"

namespace secateur {
namespace {

using test::Outcome;

// Some ten times what one epoch bears without weight decay: a few halvings are needed, and ten are allowed.
// (A second epoch would begin with weights that are finite and beyond all help.)
const std::string kTooFast = " --learning-rate 1e5 --weight-decay 0 --momentum 0 --schedule constant ";
const std::string kData = " --data synthetic --synthetic-train 160 --synthetic-test 50 --batch 32 ";

class NotFinite : public test::ProgramTest {
 protected:
  [[nodiscard]] Outcome train(const std::string& out, const std::string& more) const {
    return run("train --model resnet8 --validation 32 --epochs 1 --out " + path(out) + kData + more);
  }

  // The rollbacks that a run's log holds.
  [[nodiscard]] std::int64_t rollbacks(const std::string& out) const {
    std::ifstream log(path(out + "/run.jsonl"));
    std::int64_t count = 0;
    for (std::string line; std::getline(log, line);) {
      const nlohmann::json event = nlohmann::json::parse(line);
      if (event.at("event") != "not_finite") continue;
      EXPECT_FALSE(event.at("layer").get<std::string>().empty() &&
                   event.at("reason").get<std::string>().empty());
      count += event.at("rollback").get<bool>() ? 1 : 0;
    }
    return count;
  }

  // Of every parameter that a file holds.
  static void expect_finite(const std::string& file) {
    const StateTree tree = read_checkpoint(file);
    std::int64_t tensors = 0;
    for (const auto& [name, value] : tree.entries()) {
      const auto* tensor = std::get_if<StoredTensor>(&value);
      if (!name.starts_with("model/") || tensor == nullptr || tensor->dtype != DType::f32) continue;
      std::vector<float> values(tensor->bytes.size() / sizeof(float));
      std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
      for (const float v : values) ASSERT_TRUE(std::isfinite(v)) << name;
      ++tensors;
    }
    EXPECT_GT(tensors, 10);
  }
};

TEST_F(NotFinite, TrainingStopsOrGoesBackUntilItHolds) {
  const Outcome stopped = train("stopped", kTooFast);
  EXPECT_EQ(stopped.code, 1) << stopped.text;
  EXPECT_TRUE(stopped.says("layer '") && stopped.says("--on-nan rollback")) << stopped.text;

  const Outcome rolled = train("rolled", kTooFast + " --on-nan rollback");
  ASSERT_EQ(rolled.code, 0) << rolled.text;
  EXPECT_TRUE(rolled.says("back to the last checkpoint, with 0.5 of the learning rate")) << rolled.text;
  EXPECT_GT(rollbacks("rolled"), 0);
  expect_finite(path("rolled/model.h5"));
}

TEST_F(NotFinite, PruningStopsOrGoesBackUntilItHolds) {
  ASSERT_EQ(train("base", " --learning-rate 0.05").code, 0);
  const std::string pruning = "prune --weights " + path("base/model.h5") + kData +
                              " --rounds 1 --budget 0.6 --round-to 1 --train-epochs 0 --finetune-epochs 1 "
                              "--sample-images 32 --fallback no --weight-decay 0 --momentum 0 "
                              "--set prune.learning-rate=1e5 --set prune.lr-schedule=constant ";
  const Outcome stopped = run(pruning + "--out " + path("stopped"));
  EXPECT_EQ(stopped.code, 1) << stopped.text;
  EXPECT_TRUE(stopped.says("layer '")) << stopped.text;

  const Outcome rolled = run(pruning + "--on-nan rollback --out " + path("rolled"));
  ASSERT_EQ(rolled.code, 0) << rolled.text;
  EXPECT_TRUE(rolled.says("(met)")) << rolled.text;
  EXPECT_GT(rollbacks("rolled"), 0);
  expect_finite(path("rolled/model.h5"));
}

TEST_F(NotFinite, AFileThatHoldsThemIsRefusedWithTheLayer) {
  ASSERT_EQ(train("base", " --learning-rate 0.05").code, 0);
  const StateTree tree = read_checkpoint(path("base/model.h5"));
  const std::string name = "model/parameters/layer1.0.conv1.weight";
  ASSERT_TRUE(tree.entries().contains(name));
  auto weight = tree.get<StoredTensor>(name);
  const float bad = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(weight.bytes.data(), &bad, sizeof(bad));
  StateTree bad_tree;
  for (const auto& [entry, value] : tree.entries())
    bad_tree.set(entry, entry == name ? StateValue(weight) : value);
  write_checkpoint(path("bad.h5"), bad_tree);
  for (const std::string& word : {"eval" + kData + path("bad.h5"), "infer " + path("bad.h5") + " x.ppm",
                                  "export --format onnx --out " + path("bad.onnx") + " " + path("bad.h5"),
                                  "prune --out " + path("pruned") + kData + "--weights " + path("bad.h5")}) {
    const Outcome outcome = run(word);
    EXPECT_EQ(outcome.code, 1) << word;
    EXPECT_TRUE(outcome.says("bad.h5") && outcome.says("the weight of layer 'layer1.0.conv1' holds 1 values"))
        << word << "\n"
        << outcome.text;
  }
  EXPECT_FALSE(std::filesystem::exists(path("bad.onnx")));
}

}  // namespace
}  // namespace secateur
