// secateur infer: classifies image files and folders.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/image_contract.h"
#include "secateur/infer/decode.h"
#include "secateur/interchange.h"
#include "secateur/io/files.h"
#include "secateur/session.h"

namespace secateur::app {
namespace {

// Files below the folders among the paths, in the order of their names.
std::vector<std::filesystem::path> files_of(const InferArguments& arguments) {
  std::vector<std::filesystem::path> paths = arguments.paths;
  if (!arguments.list.empty()) {
    std::ifstream file;
    if (arguments.list != "-") {
      file.open(arguments.list);
      require(file.is_open(), "--list: cannot read '{}'", arguments.list);
    }
    std::istream& lines = arguments.list == "-" ? std::cin : file;
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) paths.emplace_back(line);
    }
  }
  require(!paths.empty(), "there is nothing to classify: name images or folders, or a --list");
  std::vector<std::filesystem::path> files;
  for (const std::filesystem::path& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    const auto first = static_cast<std::ptrdiff_t>(files.size());
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin() + first, files.end());
  }
  return files;
}

class Classifier {
 public:
  Classifier(LoadedModel& loaded, Session& session, const InferArguments& arguments)
      : arguments_(arguments),
        stream_(session.stream()),
        contract_(contract_of(loaded)),
        shape_(loaded.model.graph().shape(0)),
        program_(loaded.model, session.arena(), session.stream(),
                 {.batch = arguments.batch,
                  .mode = ProgramMode::infer,
                  .precision = session.precision(),
                  .frozen = true}) {
    const auto channels = static_cast<std::size_t>(shape_.channels);
    require(contract_.statistics.mean.empty() || contract_.statistics.mean.size() == channels,
            "the network takes {} channels, {} means are stored with it", channels,
            contract_.statistics.mean.size());
  }

  void add(const DecodedImage& image) {
    const std::vector<std::uint8_t> pixels = fitted(image.image, shape_, arguments_.resize);
    const auto& [mean, deviation] = contract_.statistics;
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      const std::size_t c = i % static_cast<std::size_t>(shape_.channels);
      const double value = pixels[i] / 255.0;
      values_.push_back(mean.empty() ? value : (value - mean[c]) / deviation[c]);
    }
    names_.push_back(image.name);
    if (static_cast<std::int64_t>(names_.size()) == arguments_.batch) flush();
  }

  // Classifies what has gathered; the rest of the batch is black.
  void flush() {
    if (names_.empty()) return;
    values_.resize(static_cast<std::size_t>(arguments_.batch * shape_.count()));
    write_values(program_.images(), values_, stream_);
    program_.forward({});
    const std::vector<double> logits = read_values(program_.logits(), stream_);
    const std::size_t classes = logits.size() / static_cast<std::size_t>(arguments_.batch);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      print(names_[i], std::span(logits).subspan(i * classes, classes));
    }
    names_.clear();
    values_.clear();
  }

 private:
  void print(const std::string& name, std::span<const double> logits) const {
    std::vector<std::int64_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater{},
                             [&](std::int64_t k) { return logits[static_cast<std::size_t>(k)]; });
    const double largest = logits[static_cast<std::size_t>(order[0])];
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit - largest);
    order.resize(std::min(order.size(), static_cast<std::size_t>(arguments_.topk)));
    const auto probability = [&](std::int64_t k) {
      return std::exp(logits[static_cast<std::size_t>(k)] - largest) / sum;
    };
    if (arguments_.json) {
      nlohmann::json classes = nlohmann::json::array();
      for (const std::int64_t k : order) {
        classes.push_back(
            {{"class", contract_.class_name(k)}, {"index", k}, {"probability", probability(k)}});
      }
      // A path need not be UTF-8.
      fmt::print("{}\n", nlohmann::json{{"image", name}, {"classes", classes}}.dump(
                             -1, ' ', false, nlohmann::json::error_handler_t::replace));
      return;
    }
    fmt::print("{}", name);
    for (const std::int64_t k : order) fmt::print("\t{} {:.4f}", contract_.class_name(k), probability(k));
    fmt::print("\n");
  }

  const InferArguments& arguments_;
  Stream& stream_;
  ImageContract contract_;
  MapShape shape_;
  Program program_;
  std::vector<double> values_;
  std::vector<std::string> names_;
};

}  // namespace

int run_infer(const RunOptions& options, const InferArguments& arguments) {
  require(arguments.topk >= 1, "--topk is at least 1, got {}", arguments.topk);
  require(arguments.batch >= 1, "--batch is at least 1, got {}", arguments.batch);
  const std::vector<std::filesystem::path> files = files_of(arguments);
  Session session(options.run);
  LoadedModel loaded = load_model(arguments.model, session);
  Classifier classifier(loaded, session, arguments);
  std::int64_t failures = 0;
  for (const std::filesystem::path& file : files) {
    try {
      for (const DecodedImage& image : decode_images(read_file(file), file.string())) classifier.add(image);
    } catch (const Error& error) {
      ++failures;
      fmt::print(stderr, "secateur: {}\n", error.what());
    }
  }
  classifier.flush();
  if (failures > 0)
    fmt::print(stderr, "secateur: {} of {} files could not be read\n", failures, files.size());
  return failures > 0 ? 1 : 0;
}

}  // namespace secateur::app
