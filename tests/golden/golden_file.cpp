#include "golden/golden_file.h"

#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>

#include "secateur/core/error.h"
#include "test_paths.h"

namespace secateur::selftest {

GoldenFile::GoldenFile(const std::string& name) {
  const std::string path = std::string(test::kSourceDir) + "/tests/golden/" + name;
  std::ifstream stream(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  std::uint64_t header_bytes = 0;
  require(bytes.size() >= sizeof(header_bytes), "{}: missing, or too short for a golden file", path);
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  require(header_bytes <= bytes.size() - sizeof(header_bytes), "{}: the header ends after the file", path);
  header_ = std::make_unique<nlohmann::json>(
      nlohmann::json::parse(bytes.substr(sizeof(header_bytes), header_bytes)));

  const std::size_t begin = sizeof(header_bytes) + header_bytes;
  const std::size_t elements = (bytes.size() - begin) / sizeof(double);
  for (const auto& [key, entry] : header_->at("arrays").items()) {
    GoldenArray array{.shape = entry.at("shape").get<std::vector<std::int64_t>>()};
    const auto count = static_cast<std::size_t>(
        std::accumulate(array.shape.begin(), array.shape.end(), std::int64_t{1}, std::multiplies<>()));
    const auto first = entry.at("first").get<std::size_t>();
    require(first + count <= elements, "{}: array '{}' ends after the file", path, key);
    array.values.resize(count);
    std::memcpy(array.values.data(), bytes.data() + begin + first * sizeof(double), count * sizeof(double));
    arrays_.emplace(key, std::move(array));
  }
}

GoldenFile::~GoldenFile() = default;

const GoldenArray& GoldenFile::array(const std::string& name) const {
  const auto found = arrays_.find(name);
  require(found != arrays_.end(), "the golden file has no array '{}'", name);
  return found->second;
}

}  // namespace secateur::selftest
