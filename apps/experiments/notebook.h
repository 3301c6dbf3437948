// Notebook: numbers that took long to measure, written down one by one. A study that was interrupted reads
// them back and goes on with the first that is missing.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace secateur::experiments {

class Notebook {
 public:
  // One JSON object a line: {"what": ..., "values": [...]}. A last line that a kill cut short is dropped.
  // Throws Error that names file and line for any other that is not of this form.
  explicit Notebook(std::filesystem::path file);

  // The values written down under this name, or those of `measure`, which are written down first.
  [[nodiscard]] std::vector<double> once(const std::string& what,
                                         const std::function<std::vector<double>()>& measure);
  [[nodiscard]] bool has(const std::string& what) const { return entries_.contains(what); }

 private:
  std::filesystem::path file_;
  std::map<std::string, std::vector<double>> entries_;
};

}  // namespace secateur::experiments
