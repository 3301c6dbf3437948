#include "secateur/io/options.h"

#include <gtest/gtest.h>

#include "io/temporary_folder.h"

namespace secateur {

enum class Schedule { step, cosine };
template <>
struct EnumNames<Schedule> {
  static constexpr std::array<std::pair<Schedule, std::string_view>, 2> kTable{
      {{Schedule::step, "step"}, {Schedule::cosine, "cosine"}}};
};

namespace {

struct TrainOptions {
  std::int64_t epochs = 160;
  int batch = 128;
  std::uint64_t seed = 1;
  double rate = 0.1;
  bool nesterov = false;
  Schedule schedule = Schedule::step;
  std::vector<std::int64_t> milestones{80, 120};
  std::vector<double> decays{0.5};
  std::optional<double> clip;
};

struct DataOptions {
  std::string set = "cifar10";
  std::filesystem::path folder;
  std::vector<std::string> augmentation{"crop", "flip"};
  std::optional<std::string> split;
};

template <class Visitor>
void describe(TrainOptions& o, Visitor& v) {
  v("train.epochs", o.epochs, "Number of epochs", at_least(1));
  v("train.batch", o.batch, "Samples a step", at_least(1), at_most(4096));
  v("train.seed", o.seed, "Seed");
  v("train.rate", o.rate, "Initial learning rate", above(0), below(10), unit("per step"));
  v("train.nesterov", o.nesterov, "Nesterov's momentum");
  v("train.schedule", o.schedule, "How the rate falls");
  v("train.milestones", o.milestones, "Epochs at which the rate falls", at_least(0));
  v("train.decays", o.decays, "Factors", between(0, 1));
  v("train.clip", o.clip, "Largest gradient norm", above(0));
}

template <class Visitor>
void describe(DataOptions& o, Visitor& v) {
  v("data.set", o.set, "Data set", one_of({"cifar10", "cifar100", "synthetic"}));
  v("data.folder", o.folder, "Where it lies");
  v("data.augmentation", o.augmentation, "Steps", one_of({"crop", "flip", "normalize"}));
  v("data.split", o.split, "Stored split");
}

class Options : public testing::Test {
 protected:
  TrainOptions train;
  DataOptions data;
  OptionList list{train, data};
};

TEST_F(Options, ApplyARecipe) {
  list.apply(Recipe::from_text(R"(
[train]
epochs = 3
batch = 64
seed = 9
rate = 1            # an integer serves as a real number
nesterov = true
schedule = "cosine"
milestones = []
decays = [1, 0]
clip = 2.5
[data]
set = "synthetic"
folder = "/tmp/x"
augmentation = ["normalize"]
split = "half"
)"));
  EXPECT_EQ(train.epochs, 3);
  EXPECT_EQ(train.batch, 64);
  EXPECT_EQ(train.seed, 9U);
  EXPECT_EQ(train.rate, 1.0);
  EXPECT_TRUE(train.nesterov);
  EXPECT_EQ(train.schedule, Schedule::cosine);
  EXPECT_TRUE(train.milestones.empty());
  EXPECT_EQ(train.decays, (std::vector<double>{1, 0}));
  EXPECT_EQ(train.clip, 2.5);
  EXPECT_EQ(data.set, "synthetic");
  EXPECT_EQ(data.folder, "/tmp/x");
  EXPECT_EQ(data.augmentation, std::vector<std::string>{"normalize"});
  EXPECT_EQ(data.split, "half");
  list.apply(Recipe::from_text("train.clip = \"none\""));
  EXPECT_EQ(train.clip, std::nullopt);
  EXPECT_EQ(train.epochs, 3);  // what a recipe does not name stays
}

TEST_F(Options, RecipeOfAStructSetsAnotherToTheSame) {
  train.schedule = Schedule::cosine;
  train.rate = 1.0 / 3;
  train.clip = 7;
  data.augmentation = {};
  const Recipe written = list.to_recipe();
  EXPECT_FALSE(written.contains("data.split"));  // not set
  EXPECT_EQ(std::get<std::string>(written.at("train.schedule")), "cosine");

  TrainOptions other_train;
  DataOptions other_data;
  OptionList other(other_train, other_data);
  other.apply(Recipe::from_text(written.to_toml()));
  EXPECT_EQ(other_train.schedule, Schedule::cosine);
  EXPECT_EQ(other_train.rate, 1.0 / 3);
  EXPECT_EQ(other_train.clip, 7);
  EXPECT_TRUE(other_data.augmentation.empty());
  EXPECT_EQ(other.to_recipe(), written);
}

TEST_F(Options, UnknownKeysAreErrorsWithTheNearest) {
  const auto apply = [this](std::string_view toml) { list.apply(Recipe::from_text(toml, "r.toml")); };
  EXPECT_ERROR(apply("[train]\n\nepoch = 3"), "r.toml:3:", "'train.epoch'", "did you mean 'train.epochs'?");
  EXPECT_ERROR(apply("[trian]\nmilestones = [3]"), "'trian.milestones'", "did you mean 'train.milestones'?");
  EXPECT_ERROR(apply("schedule = \"step\""), "r.toml:1:", "'schedule'", "did you mean 'train.schedule'?");
  const std::string far = test::error_of([&] { apply("[mixture]\nexperts = 8"); });
  EXPECT_EQ(far, "r.toml:2: unknown option 'mixture.experts'");
  EXPECT_ERROR(list.set("train.epocs", "3"), "did you mean 'train.epochs'?");
  list.apply(Recipe::from_text("[mixture]\nexperts = 8\n[train]\nepochs = 4"), UnknownKeys::ignore);
  EXPECT_EQ(train.epochs, 4);
}

TEST_F(Options, WrongValuesSayWhatWasExpectedAndWhatCame) {
  struct Case {
    const char* toml;
    std::vector<std::string> parts;
  };
  const std::vector<Case> cases{
      {"train.epochs = \"ten\"", {"train.epochs", "an integer of at least 1", "\"ten\"", "(a string)"}},
      {"train.epochs = 3.0", {"an integer", "3.0", "(a real number)"}},
      {"train.epochs = 0", {"of at least 1", "got 0"}},
      {"train.epochs = [1]", {"an integer", "[1]", "list of integers"}},
      {"train.epochs = \"none\"", {"an integer", "\"none\""}},
      {"train.batch = 4097", {"of at least 1 and of at most 4096", "4097"}},
      {"train.batch = 4294967297", {"at most 2147483647", "4294967297"}},
      {"train.seed = -1", {"train.seed", "of at least 0", "-1"}},
      {"train.rate = 0", {"a real number above 0 and below 10 (per step)", "got 0"}},
      {"train.rate = 10.0", {"below 10", "10.0"}},
      {"train.rate = nan", {"a real number", "nan"}},
      {"train.rate = 9007199254740993", {"a real number"}},
      {"train.nesterov = 1", {"true or false", "got 1"}},
      {"train.schedule = \"cosin\"", {"one of step, cosine", "\"cosin\"", "did you mean 'cosine'?"}},
      {"train.schedule = 2", {"one of step, cosine", "got 2"}},
      {"train.milestones = [80, -1]", {"a list of integers of at least 0 each", "[80, -1]"}},
      {"train.milestones = [80.5]", {"a list of integers", "[80.5]"}},
      {"train.milestones = 80", {"a list of integers", "got 80"}},
      {"train.decays = [0.5, 1.5]", {"a list of real numbers of at least 0 and of at most 1 each"}},
      {"train.clip = 0.0", {"a real number above 0 or \"none\"", "0.0"}},
      {"data.set = \"cifar\"", {"one of cifar10, cifar100, synthetic", "did you mean 'cifar10'?"}},
      {"data.folder = 3", {"a string", "got 3"}},
      {"data.augmentation = [\"crop\", \"spin\"]",
       {"a list of strings, each one of crop, flip, normalize", "spin"}},
  };
  const Recipe before = list.to_recipe();
  for (const Case& c : cases) {
    const std::string toml = std::string("\n") + c.toml;
    const std::string message = test::error_of([&] { list.apply(Recipe::from_text(toml, "r.toml")); });
    EXPECT_TRUE(message.starts_with("r.toml:2: ")) << c.toml << ": " << message;
    for (const std::string& part : c.parts) {
      EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' not in: " << message;
    }
  }
  EXPECT_EQ(list.to_recipe(), before);
}

TEST_F(Options, ApplySetsAllOrNothing) {
  EXPECT_ERROR(list.apply(Recipe::from_text("train.batch = 7\ntrain.epochs = 0")), "train.epochs");
  EXPECT_EQ(train.batch, 128);
}

TEST_F(Options, SetFromText) {
  list.set("train.epochs", "3");
  list.set("train.seed", "+12");
  list.set("train.rate", "2.5e-3");
  list.set("train.nesterov", "Yes");
  list.set("train.schedule", "cosine");
  list.set("train.milestones", "80, 120,160");
  list.set("train.decays", "[0.5, 1]");
  list.set("train.clip", "1");
  list.set("data.augmentation", "crop,normalize");
  list.set("data.folder", " with space");
  EXPECT_EQ(train.epochs, 3);
  EXPECT_EQ(train.seed, 12U);
  EXPECT_EQ(train.rate, 2.5e-3);
  EXPECT_TRUE(train.nesterov);
  EXPECT_EQ(train.schedule, Schedule::cosine);
  EXPECT_EQ(train.milestones, (std::vector<std::int64_t>{80, 120, 160}));
  EXPECT_EQ(train.decays, (std::vector<double>{0.5, 1}));
  EXPECT_EQ(train.clip, 1.0);
  EXPECT_EQ(data.augmentation, (std::vector<std::string>{"crop", "normalize"}));
  EXPECT_EQ(data.folder, " with space");
  list.set("train.clip", "none");
  list.set("train.milestones", "");
  list.set("train.nesterov", "off");
  EXPECT_EQ(train.clip, std::nullopt);
  EXPECT_TRUE(train.milestones.empty());
  EXPECT_FALSE(train.nesterov);
}

TEST_F(Options, TextThatDoesNotFitIsAnError) {
  EXPECT_ERROR(list.set("train.epochs", "three"), "train.epochs", "an integer of at least 1", "\"three\"");
  for (const char* text : {"", "3x", "3.5", "0x10", "99999999999999999999", "0", "+-3"}) {
    EXPECT_ERROR(list.set("train.epochs", text), "train.epochs");
  }
  for (const char* text : {"", "fast", "nan", "1e999", "0"})
    EXPECT_ERROR(list.set("train.rate", text), "train.rate");
  for (const char* text : {"80;120", "[80", "[80.5]", "80,x", "80,,120"}) {
    EXPECT_ERROR(list.set("train.milestones", text), "train.milestones", "a list of integers");
  }
  EXPECT_ERROR(list.set("train.nesterov", "maybe"), "true or false", "maybe");
  EXPECT_ERROR(list.set("train.schedule", "Cosine"), "did you mean 'cosine'?");
}

TEST_F(Options, ListingSaysWhatHelpNeeds) {
  ASSERT_EQ(list.options().size(), 13U);
  const Option& rate = list.options()[3];
  EXPECT_EQ(rate.key, "train.rate");
  EXPECT_EQ(rate.kind, OptionKind::real);
  EXPECT_EQ(rate.help, "Initial learning rate");
  EXPECT_EQ(rate.default_text, "0.1");
  EXPECT_EQ(rate.rule.unit, "per step");
  EXPECT_EQ(rate.expected(), "a real number above 0 and below 10 (per step)");
  const Option& schedule = list.find("train.schedule");
  EXPECT_EQ(schedule.kind, OptionKind::choice);
  EXPECT_EQ(schedule.rule.choices, (std::vector<std::string>{"step", "cosine"}));
  EXPECT_EQ(schedule.default_text, "step");
  EXPECT_EQ(list.find("train.milestones").default_text, "[80, 120]");
  EXPECT_EQ(list.find("train.clip").default_text, "none");
  EXPECT_EQ(list.find("data.set").kind, OptionKind::choice);
  list.set("train.rate", "0.5");
  EXPECT_EQ(list.find("train.rate").text(), "0.5");
  EXPECT_EQ(list.find("train.rate").default_text, "0.1");
}

TEST_F(Options, TextSetsWhatItSays) {
  data.augmentation = {"crop", "flip"};
  train.rate = 1.0 / 3;
  for (const Option& option : list.options()) {
    const std::string text = option.text();
    list.set(option.key, text);
    EXPECT_EQ(list.find(option.key).text(), text) << option.key;
  }
  EXPECT_EQ(train.rate, 1.0 / 3);
}

TEST(OptionList, RefusesADescriptionThatContradictsItself) {
  std::int64_t a = 0;
  OptionList list;
  EXPECT_ERROR(list("x", a, "below its own limit", at_least(1)), "x", "of at least 1");
  list("x", a, "fine");
  EXPECT_ERROR(list("x", a, "again"), "'x'", "twice");
}

}  // namespace
}  // namespace secateur
