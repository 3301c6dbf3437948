// Engines that were chosen for convolutions, kept between runs: a plan is then built from the choice at once,
// and cuDNN's heuristics and refused proposals are not gone through again. Needs nothing of CUDA.
//
// A choice holds for one GPU and one version of cuDNN; whatever else it depends on (shape, layout, precision,
// determinism) is in the problem that it is for.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/backend/conv_problem.h"

namespace secateur {

struct ConvChoice {
  std::int64_t engine = 0;                         // cuDNN's number
  std::vector<std::array<std::int64_t, 2>> knobs;  // type and value, as cuDNN numbers them
  std::int64_t rank = 0;                           // place among the proposals when it was chosen
  bool operator==(const ConvChoice&) const = default;
};

class ConvChoices {
 public:
  ConvChoices(std::string gpu, std::int64_t cudnn) : gpu_(std::move(gpu)), cudnn_(cudnn) {}
  // `origin` is named in errors: no JSON, a key that is missing or of the wrong kind, numbers that no
  // convolution has, more than a hundred thousand entries.
  [[nodiscard]] static ConvChoices parse(std::string_view json, const std::string& origin);
  [[nodiscard]] std::string to_json() const;

  [[nodiscard]] const std::string& gpu() const { return gpu_; }
  [[nodiscard]] std::int64_t cudnn() const { return cudnn_; }
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(entries_.size()); }
  // Null where there is none.
  [[nodiscard]] const ConvChoice* find(const ConvProblem& problem) const;
  void set(const ConvProblem& problem, ConvChoice choice) { entries_[problem] = std::move(choice); }
  bool operator==(const ConvChoices&) const = default;

 private:
  std::string gpu_;
  std::int64_t cudnn_;
  std::map<ConvProblem, ConvChoice> entries_;
};

}  // namespace secateur
