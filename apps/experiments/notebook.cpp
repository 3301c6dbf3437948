#include "experiments/notebook.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "secateur/core/error.h"
#include "secateur/io/files.h"

namespace secateur::experiments {

Notebook::Notebook(std::filesystem::path file) : file_(std::move(file)) {
  std::ifstream stream(file_, std::ios::binary);
  std::string kept;
  std::int64_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (stream.eof()) break;  // no line end: it was cut short
    try {
      const nlohmann::json entry = nlohmann::json::parse(line);
      entries_[entry.at("what").get<std::string>()] = entry.at("values").get<std::vector<double>>();
    } catch (const nlohmann::json::exception& error) {
      fail("{}, line {}: expected {{\"what\": ..., \"values\": [...]}}: {}", file_.string(), number,
           error.what());
    }
    kept += line + "\n";
  }
  stream.close();
  std::error_code none;
  if (std::filesystem::exists(file_) && std::filesystem::file_size(file_, none) != kept.size()) {
    write_file_atomically(file_, std::as_bytes(std::span(kept)));
  }
}

std::vector<double> Notebook::once(const std::string& what,
                                   const std::function<std::vector<double>()>& measure) {
  const auto found = entries_.find(what);
  if (found != entries_.end()) return found->second;
  std::vector<double> values = measure();
  std::filesystem::create_directories(file_.parent_path());
  std::ofstream stream(file_, std::ios::app | std::ios::binary);
  stream << nlohmann::json{{"what", what}, {"values", values}}.dump() << "\n" << std::flush;
  require(stream.good(), "cannot write to '{}'", file_.string());
  return entries_[what] = std::move(values);
}

}  // namespace secateur::experiments
