// Golden files: named arrays of float64 that PyTorch computed (make_golden.py, which also says how a file is
// laid out).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace secateur::selftest {

struct GoldenArray {
  std::vector<std::int64_t> shape = {};
  std::vector<double> values = {};
};

class GoldenFile {
 public:
  // Reads tests/golden/<name>; throws Error for a file that is missing or torn.
  explicit GoldenFile(const std::string& name);
  ~GoldenFile();
  GoldenFile(const GoldenFile&) = delete;
  GoldenFile& operator=(const GoldenFile&) = delete;

  // Settings beside the arrays.
  [[nodiscard]] const nlohmann::json& header() const { return *header_; }
  [[nodiscard]] bool contains(const std::string& name) const { return arrays_.contains(name); }
  // Throws Error when there is no such array.
  [[nodiscard]] const GoldenArray& array(const std::string& name) const;
  [[nodiscard]] const std::vector<double>& values(const std::string& name) const {
    return array(name).values;
  }

 private:
  std::unique_ptr<nlohmann::json> header_;
  std::map<std::string, GoldenArray> arrays_;
};

}  // namespace secateur::selftest
