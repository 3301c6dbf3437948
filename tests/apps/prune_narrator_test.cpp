#include "secateur/prune_narrator.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace secateur::app {
namespace {

TEST(PruneNarrator, EpochsAfterARollbackAreFinetuningAgain) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  PruneOptions options;
  options.rounds = 4;
  options.train_epochs = 0;
  options.finetune_epochs = 3;
  options.fallback.epochs = 2;
  {
    Progress progress(file);
    PruneNarrator narrator(progress, options);
    const LogFields round{{"round", std::int64_t{4}}};
    const auto epoch = [&](const char* event) {
      progress.on_epoch({.samples = 10, .seconds = 1});
      narrator.write(event, round);
    };
    narrator.write("round_start", round);
    epoch("finetune_epoch");
    narrator.write("fallback_start", round);
    epoch("fallback_epoch");
    epoch("fallback_epoch");
    narrator.write("rollback", round);
    narrator.write("halving", round);
    epoch("finetune_epoch");
  }
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  EXPECT_NE(text.find("round 4 of 4  1/3"), std::string::npos) << text;
  EXPECT_NE(text.find("fallback of round 4  2/2"), std::string::npos) << text;
  EXPECT_NE(text.find("round 4 of 4, again  1/3"), std::string::npos) << text;
}

}  // namespace
}  // namespace secateur::app
