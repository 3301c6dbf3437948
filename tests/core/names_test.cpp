#include "secateur/core/names.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace secateur {
namespace {

TEST(EditDistance, HandMadeTable) {
  struct Case {
    const char* a;
    const char* b;
    std::int64_t distance;
  };
  const std::vector<Case> cases{
      {"", "", 0},
      {"", "abc", 3},
      {"abc", "abc", 0},
      {"kitten", "sitting", 3},
      {"epoch", "epochs", 1},
      {"epcohs", "epochs", 1},
      {"ab", "ba", 1},
      {"ca", "abc", 3},
      {"flaw", "lawn", 2},
      {"a", "b", 1},
      {"gumbo", "gambol", 2},
      {"abcdef", "badcfe", 3},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(edit_distance(c.a, c.b), c.distance) << c.a << " " << c.b;
    EXPECT_EQ(edit_distance(c.b, c.a), c.distance) << c.b << " " << c.a;
  }
}

TEST(LowerCase, ChangesAsciiLettersOnly) {
  EXPECT_EQ(lower_case("ResNet-20 \xC3\x84Z@[{"), "resnet-20 \xC3\x84z@[{");
}

TEST(NearestName, FindsWhatWasMeant) {
  const std::vector<std::string> models{"vgg16", "vgg19", "resnet20", "resnet32", "resnet110"};
  EXPECT_EQ(nearest_name("rsenet20", models), "resnet20");
  EXPECT_EQ(nearest_name("ResNet-20", models), "resnet20");
  EXPECT_EQ(nearest_name("vgg", models), "vgg16");  // the first of two equally near
  EXPECT_EQ(nearest_name("mobilenet", models), std::nullopt);
  EXPECT_EQ(nearest_name("mobilenet", models, 100), "resnet20");
  EXPECT_EQ(nearest_name("resnet20", std::vector<std::string>{}), std::nullopt);
}

TEST(DidYouMean, IsAHintOrNothing) {
  const std::vector<std::string_view> names{"step", "cosine"};
  EXPECT_EQ(did_you_mean("cosin", names), "; did you mean 'cosine'?");
  EXPECT_EQ(did_you_mean("exponential", names), "");
}

}  // namespace
}  // namespace secateur
