// The library prints nothing: no source of it names a stream or a printing function, and a network's whole
// life leaves both outputs empty. What it has to say goes to the log callback.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <stdexcept>

#include "io/temporary_folder.h"
#include "secateur/core/log.h"
#include "secateur/export/graph_json.h"
#include "secateur/io/checkpoint.h"
#include "secateur/io/safetensors.h"
#include "secateur/prune/surgeon.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"
#include "test_paths.h"

namespace secateur {
namespace {

namespace fs = std::filesystem;

// Lines of a source that print, comments left out.
std::vector<std::string> printing_lines(std::istream& source) {
  static const std::regex printing(
      R"re(std::(cout|cerr|clog)\b|fmt::(v)?print(ln)?\b|\b(v|f|vf)?printf\s*\(|\bf?puts\s*\(|\bputchar\s*\(|\bperror\s*\(|#\s*include\s*<iostream>)re");
  std::vector<std::string> found;
  for (std::string line; std::getline(source, line);) {
    const std::string code = line.substr(0, line.find("//"));
    if (std::regex_search(code, printing)) found.push_back(line);
  }
  return found;
}

TEST(Silence, NoSourceOfTheLibraryPrints) {
  std::istringstream samples(
      "std::cout << 1;\n  std::fprintf(stderr, x);\n// std::cerr\nsnprintf(a, b);\nputs (x);\n");
  EXPECT_EQ(printing_lines(samples).size(), 3U);
  int files = 0;
  for (const char* part : {"engine", "kernels", "models", "data"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(test::kSourceDir) / part)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp" && extension != ".cu" && extension != ".cuh") continue;
      ++files;
      std::ifstream source(entry.path());
      for (const std::string& line : printing_lines(source)) ADD_FAILURE() << entry.path() << ": " << line;
    }
  }
  EXPECT_GT(files, 150);
}

TEST(Silence, AWholeLifeLeavesBothOutputsEmpty) {
  const test::TemporaryFolder folder;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  {
    selftest::WholeModel whole(selftest::small_resnet(), DeviceKind::cpu);
    selftest::NoiseSource source({8, 8, 3}, 4, 16, 1);
    {
      Program program(whole.model, whole.arena, *whole.stream, {.batch = 16, .mode = ProgramMode::train});
      source.fill(0, 16, *whole.stream, program.images(), program.labels());
      program.forward({});
      program.backward({});
    }
    StateTree tree;
    whole.model.save(StateWriter(tree), *whole.stream);
    write_checkpoint(folder / "model.h5", tree);
    EXPECT_THROW((void)read_checkpoint(folder / "none.h5"), Error);
    test::write_text(folder / "broken", std::string(1000, 'x'));
    EXPECT_THROW((void)read_checkpoint(folder / "broken"), Error);
    EXPECT_THROW((void)Safetensors::read(folder / "broken"), Error);
    EXPECT_THROW((void)graph_from_json("{", "text"), Error);
    const StateTree again = read_checkpoint(folder / "model.h5");
    Model model = Model::load(StateReader(again), *whole.device, *whole.stream);
    const ChannelSpaces spaces(model.graph());
    KeptMembers kept = spaces.keep_all();
    for (std::size_t s = 0; s < kept.size(); ++s) {
      if (!spaces.spaces()[s].pinned) kept[s].pop_back();
    }
    apply_plan(model, PruningPlan::from_members(spaces, kept), *whole.stream);
    Program program(model, whole.arena, *whole.stream, {.batch = 4});
    program.forward({});
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Silence, LinesGoToTheCallback) {
  std::vector<std::string> lines;
  set_log_callback([&](std::string_view line) { lines.emplace_back(line); });
  log_line("one");
  set_log_callback([](std::string_view) { throw std::runtime_error("from the callback"); });
  log_line("two");
  set_log_callback({});
  log_line("three");
  EXPECT_EQ(lines, std::vector<std::string>{"one"});
}

}  // namespace
}  // namespace secateur
