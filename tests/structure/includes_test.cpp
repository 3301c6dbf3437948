// Includes run one way: each part of the tree may use those to its left and nothing else, and no two files
// include each other in a circle.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "test_paths.h"

namespace secateur {
namespace {

namespace fs = std::filesystem;

// Inside the engine each folder may use itself and those before it; export stands above graph and io alone.
constexpr std::array<const char*, 7> kOrder{"core", "io", "graph", "backend", "runtime", "train", "prune"};

const std::map<std::string, std::set<std::string>>& allowed() {
  static const std::map<std::string, std::set<std::string>> table = [] {
    std::map<std::string, std::set<std::string>> rows;
    std::set<std::string> below;
    for (const char* folder : kOrder) {
      below.insert(folder);
      rows[folder] = below;
    }
    // dist stands beside io: it moves numbers between processes and knows neither files nor graphs.
    rows["dist"] = {"core", "dist"};
    for (const char* folder : {"backend", "runtime", "train", "prune"}) rows[folder].insert("dist");
    rows["backend"].insert("kernels");
    rows["export"] = {"core", "io", "graph", "export"};
    rows["kernels"] = {"kernels"};
    // A builder needs a graph, and nothing that computes.
    rows["models"] = {"core", "io", "graph", "models"};
    rows["data"] = rows["train"];
    rows["data"].insert({"data", "kernels"});
    return rows;
  }();
  return table;
}

struct Source {
  fs::path path;     // below the tree's root
  std::string part;  // "graph", "models", ...; "apps" may include anything
  std::vector<std::string> includes;
};

// The part that a path below the root belongs to: engine/graph/x.cpp and engine/include/secateur/graph/x.h
// are graph.
std::string part_of(const fs::path& path) {
  std::vector<std::string> pieces;
  for (const fs::path& piece : path) pieces.push_back(piece.string());
  if (pieces.front() != "engine") return pieces.front();
  return pieces.at(1) == "include" ? pieces.at(3) : pieces.at(1);
}

std::vector<std::string> includes_of(const fs::path& file) {
  static const std::regex pattern(R"re(^\s*#\s*include\s*"([^"]+)")re");
  std::vector<std::string> found;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    std::smatch match;
    if (std::regex_search(line, match, pattern)) found.push_back(match[1]);
  }
  return found;
}

const std::vector<Source>& sources() {
  static const std::vector<Source> all = [] {
    std::vector<Source> result;
    const fs::path root = test::kSourceDir;
    for (const char* part : {"kernels", "engine", "models", "data", "apps"}) {
      if (!fs::exists(root / part)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(root / part)) {
        const std::string extension = entry.path().extension();
        if (extension != ".h" && extension != ".cpp" && extension != ".cu" && extension != ".cuh") continue;
        const fs::path below = entry.path().lexically_relative(root);
        result.push_back({below, part_of(below), includes_of(entry.path())});
      }
    }
    std::ranges::sort(result, {}, &Source::path);
    return result;
  }();
  return all;
}

// Where an include leads, below the root; none for headers of other projects and generated ones.
std::optional<fs::path> resolve(const Source& source, const std::string& include) {
  const fs::path root = test::kSourceDir;
  const std::vector<fs::path> places{source.path.parent_path(),
                                     "engine/include",
                                     "engine",
                                     "kernels/include",
                                     "kernels/src",
                                     "models/include",
                                     "models/src",
                                     "data/include",
                                     "data/src",
                                     "apps/secateur",
                                     "apps"};
  for (const fs::path& place : places) {
    const fs::path candidate = (place / include).lexically_normal();
    if (fs::is_regular_file(root / candidate)) return candidate;
  }
  return std::nullopt;
}

TEST(Includes, RunOneWay) {
  std::size_t seen = 0;
  for (const Source& source : sources()) {
    if (source.part == "apps") continue;
    ASSERT_TRUE(allowed().contains(source.part)) << source.path << " is in a folder that no rule names";
    for (const std::string& include : source.includes) {
      const auto target = resolve(source, include);
      if (!target) continue;
      ++seen;
      EXPECT_TRUE(allowed().at(source.part).contains(part_of(*target)))
          << source.path << " includes " << include << ": " << source.part << " may not use "
          << part_of(*target);
    }
  }
  EXPECT_GT(seen, 200U);  // the test looks at the tree, not at an empty folder
}

TEST(Includes, OwnHeadersAreFound) {
  for (const Source& source : sources()) {
    for (const std::string& include : source.includes) {
      if (!include.starts_with("secateur/")) continue;
      EXPECT_TRUE(resolve(source, include)) << source.path << " includes " << include;
    }
  }
}

TEST(Includes, PublicHeadersUseNoPrivateOnes) {
  for (const Source& source : sources()) {
    if (source.path.string().find("include/secateur/") == std::string::npos) continue;
    for (const std::string& include : source.includes) {
      // The kernels' launcher includes the test executor where device code is compiled for the CPU.
      if (include.starts_with("simt/")) continue;
      EXPECT_TRUE(include.starts_with("secateur/")) << source.path << " includes " << include;
    }
  }
}

// Depth first; a file that is met again while it is open closes a circle.
class CircleSearch {
 public:
  CircleSearch() {
    for (const Source& source : sources()) by_path_[source.path] = &source;
  }

  void run() {
    for (const Source& source : sources()) visit(source);
  }

 private:
  void visit(const Source& source) {
    if (done_.contains(source.path)) return;
    open_.push_back(source.path);
    for (const std::string& include : source.includes) {
      const auto target = resolve(source, include);
      const auto found = target ? by_path_.find(*target) : by_path_.end();
      if (found == by_path_.end()) continue;
      if (std::ranges::count(open_, *target) > 0) {
        ADD_FAILURE() << source.path << " and " << *target << " include each other";
        continue;
      }
      visit(*found->second);
    }
    open_.pop_back();
    done_.insert(source.path);
  }

  std::map<fs::path, const Source*> by_path_;
  std::vector<fs::path> open_;
  std::set<fs::path> done_;
};

TEST(Includes, NoCircles) { CircleSearch().run(); }

// The engine knows no network: a name of one in its sources would be a rule about it.
TEST(Names, TheEngineNamesNoModel) {
  static const std::regex pattern("resnet[0-9]|vgg[0-9]", std::regex::icase);
  for (const Source& source : sources()) {
    if (!source.path.string().starts_with("engine")) continue;
    std::ifstream stream(fs::path(test::kSourceDir) / source.path);
    std::size_t number = 0;
    for (std::string line; std::getline(stream, line);) {
      ++number;
      EXPECT_FALSE(std::regex_search(line.substr(0, line.find("//")), pattern))
          << source.path << ":" << number;
    }
  }
}

}  // namespace
}  // namespace secateur
