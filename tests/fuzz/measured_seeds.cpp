// Seeds of the files in which a machine keeps what it measured and chose.
#include <fmt/format.h>

#include "fuzz/seeds.h"
#include "secateur/backend/conv_choices.h"
#include "secateur/core/error.h"
#include "secateur/runtime/layer_times.h"

namespace secateur::fuzz {
namespace {

std::string changed(std::string text, std::string_view what, std::string_view with) {
  const std::size_t at = text.find(what);
  require(at != std::string::npos, "{} is not in the seed", what);
  return text.replace(at, what.size(), with);
}

std::string nested(std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }

}  // namespace

void make_layer_times(const Corpus& corpus) {
  LayerTimes times({"a processor", "secateur 0.1.0, oneDNN 3.2.0", "fp32", 256, 2, "32x32x3"});
  const std::string kind = "conv2d kernel=3 padding=1 stride=1 of 32x32, batch_norm, relu";
  times.set(kind, 3, 8, {0.00125, 0.02, 9});
  times.set(kind, 3, 16, {0.0025, 0, 11});
  const std::string valid = times.to_json();
  corpus.add("valid", valid);
  corpus.add("empty", LayerTimes(times.conditions()).to_json());
  corpus.add("negative-time", changed(valid, "0.00125", "-0.00125"));
  corpus.add("endless-time", changed(valid, "0.00125", "1e400"));
  corpus.add("past-64-bits", changed(valid, "\"out\": 8", "\"out\": 18446744073709551615"));
  corpus.add("twice", changed(valid, "\"out\": 16", "\"out\": 8"));
  corpus.add("newer", changed(valid, "\"version\": 1", "\"version\": 2"));
  corpus.add("deep", changed(valid, "\"entries\": [", "\"entries\": [" + nested(30000) + ","));
  corpus.add("no-utf8", changed(valid, "a processor", "\xff\xfe"));
  corpus.add("cut", valid.substr(0, valid.size() / 2));
}

void make_conv_choices(const Corpus& corpus) {
  ConvProblem problem;
  problem.precision = Precision::bf16;
  problem.batch = 128;
  problem.input = {32, 32, 16};
  problem.output = {16, 16, 24};
  problem.kernel = {3, 3};
  problem.stride = {2, 2};
  problem.padding = {1, 1};
  ConvChoices choices("NVIDIA H200", 91900);
  choices.set(problem, {45, {{2, 13}, {13, 4}}, 3});
  problem.pass = ConvPass::weight_gradient;
  choices.set(problem, {1, {}, 0});
  const std::string valid = choices.to_json();
  corpus.add("valid", valid);
  corpus.add("empty", ConvChoices("NVIDIA H200", 91900).to_json());
  corpus.add("no-pass", changed(valid, "forward", "sideways"));
  corpus.add("no-precision", changed(valid, "bf16", "bf17"));
  corpus.add("negative", changed(valid, "\"batch\": 128", "\"batch\": -128"));
  corpus.add("past-64-bits", changed(valid, "\"groups\": 1", "\"groups\": 18446744073709551615"));
  corpus.add("odd-knobs", changed(valid, "13,", "13, 5,"));
  corpus.add("twice", changed(valid, "weight_gradient", "forward"));
  corpus.add("deep", changed(valid, "\"entries\": [", "\"entries\": [" + nested(30000) + ","));
  corpus.add("cut", valid.substr(0, valid.size() / 2));
}

}  // namespace secateur::fuzz
