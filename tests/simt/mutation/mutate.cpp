// Makes mutants of the kernels' device code: mutate <source folder> <output folder>
//
// Writes a copy of every .cu and .cuh file in which all mutants are present at once, each behind a switch
// (simt/mutant.h), and mutants.inc, a table of them:
//   - a barrier (__syncthreads, __syncwarp) is left out;
//   - a bound is one too far or one too near: the right side of a comparison plus or minus one, in loops (a
//   tail skipped,
//     an overrun), in guards, and in conditions.
// Only device code is changed. Some mutants compute the same (a guard that is only a shortcut): no test can
// tell those.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

class Mutator {
 public:
  explicit Mutator(const fs::path& output) : output_(output), table_(output / "mutants.inc") {}

  void copy(const fs::path& source, const fs::path& name) {
    fs::create_directories((output_ / name).parent_path());
    std::ifstream in(source);
    std::ofstream out(output_ / name);
    out << "#include \"simt/mutant.h\"\n#line 1 \"" << name.filename().string() << "\"\n";
    bool device = false;
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      if (line.find("__global__") != std::string::npos || line.find("__device__") != std::string::npos)
        device = true;
      const std::string where = name.string() + ":" + std::to_string(number);
      out << (device ? mutate(line, where) : line) << '\n';
      if (line == "}" || line == "};") device = false;
    }
  }

 private:
  void list(int id, const std::string& where, const std::string& what) {
    table_ << "{" << id << ", \"" << where << "\", \"" << what << "\"},\n";
  }

  std::string mutate(const std::string& line, const std::string& where) {
    static const std::regex barrier(R"(__sync(threads|warp)\(\);)");
    static const std::regex comparison(R"( (<|>|<=|>=) )");
    static const std::regex leave_alone(
        R"(^\s*(//|#|static_assert|template|constexpr)|operator|if constexpr)");
    if (std::regex_search(line, leave_alone)) return line;
    std::smatch match;
    if (std::regex_search(line, match, barrier)) {
      list(next_, where, match.str() + " left out");
      return std::string(match.prefix()) + "if (!::secateur::simt::mutant_skips(" + std::to_string(next_++) +
             ")) " + match.str() + std::string(match.suffix());
    }
    const std::string code = line.substr(0, line.find("//"));
    std::string changed;
    auto from = code.cbegin();
    for (std::sregex_iterator it(code.begin(), code.end(), comparison), end; it != end; ++it) {
      changed.append(from, code.cbegin() + it->position() + it->length());
      changed += "::secateur::simt::mutant_delta(" + std::to_string(next_) + ") + ";
      list(next_++, where, "bound of '" + (*it)[1].str() + "' + 1");
      list(next_++, where, "bound of '" + (*it)[1].str() + "' - 1");
      from = code.cbegin() + it->position() + it->length();
    }
    return changed.append(from, code.cend());
  }

  fs::path output_;
  std::ofstream table_;
  int next_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "mutate <source folder> <output folder>\n";
    return 2;
  }
  const fs::path source = argv[1];
  const fs::path output = argv[2];
  fs::create_directories(output);
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(source)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".cu" || extension == ".cuh" || extension == ".h") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Mutator mutator(output);
  for (const fs::path& file : files) mutator.copy(file, fs::relative(file, source));
  return 0;
}
