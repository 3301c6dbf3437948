#include "secateur/backend/conv_choices.h"

#include <nlohmann/json.hpp>

#include "io/strict_json.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 5;
constexpr std::string_view kFormat = "secateur convolution choices";
constexpr std::int64_t kVersion = 2;  // 1 had no fusions
constexpr std::size_t kMostEntries = 100'000;
constexpr std::size_t kMostKnobs = 64;
constexpr std::int64_t kLargest = std::int64_t{1} << 31;

// A list of `count` whole numbers.
std::vector<std::int64_t> numbers(const JsonMembers& members, const char* key, std::size_t count,
                                  std::int64_t lowest) {
  const Json& list = members.list(key, count);
  std::vector<std::int64_t> values;
  for (const Json& value : list) {
    const bool fits = value.is_number_integer() && value.get<std::int64_t>() >= lowest &&
                      value.get<std::int64_t>() <= kLargest;
    require(fits, "'{}' must hold whole numbers from {} to {}, got {}", key, lowest, kLargest,
            shown_text(value.dump(-1, ' ', false, Json::error_handler_t::replace)));
    values.push_back(value.get<std::int64_t>());
  }
  require(values.size() == count, "'{}' must hold {} numbers, got {}", key, count, values.size());
  return values;
}

ConvMap map_from(const JsonMembers& members, const char* key) {
  const std::vector<std::int64_t> v = numbers(members, key, 3, 1);
  return {v[0], v[1], v[2]};
}

std::array<std::int64_t, 2> pair_from(const JsonMembers& members, const char* key, std::int64_t lowest) {
  const std::vector<std::int64_t> v = numbers(members, key, 2, lowest);
  return {v[0], v[1]};
}

ConvPass pass_from(const std::string& name) {
  for (const ConvPass pass : {ConvPass::forward, ConvPass::input_gradient, ConvPass::weight_gradient}) {
    if (name == name_of(pass)) return pass;
  }
  fail("there is no pass '{}'", shown_text(name));
}

ConvProblem problem_from(const JsonMembers& m, std::int64_t version) {
  ConvProblem problem;
  problem.pass = pass_from(m.text("pass"));
  if (version > 1) problem.fusion = conv_fusion_from_name(m.text("fusion"));
  problem.precision = precision_from_name(m.text("precision"));
  problem.deterministic = m.boolean("deterministic");
  problem.batch = m.integer("batch", 1, kLargest);
  problem.input = map_from(m, "input");
  problem.output = map_from(m, "output");
  problem.kernel = pair_from(m, "kernel", 1);
  problem.stride = pair_from(m, "stride", 1);
  problem.padding = pair_from(m, "padding", 0);
  problem.dilation = pair_from(m, "dilation", 1);
  problem.groups = m.integer("groups", 1, kLargest);
  return problem;
}

ConvChoice choice_from(const JsonMembers& m) {
  ConvChoice choice;
  choice.engine = m.integer("engine", 0, kLargest);
  choice.rank = m.integer("rank", 0, kLargest);
  const Json& types = m.list("knobs", kMostKnobs);
  const std::vector<std::int64_t> flat = numbers(m, "knobs", types.size(), -kLargest);
  require(flat.size() % 2 == 0, "'knobs' must hold types and values in turns, got {} numbers", flat.size());
  for (std::size_t i = 0; i < flat.size(); i += 2) choice.knobs.push_back({flat[i], flat[i + 1]});
  return choice;
}

Json as_json(const ConvProblem& p, const ConvChoice& choice) {
  std::vector<std::int64_t> knobs;
  for (const auto& knob : choice.knobs) knobs.insert(knobs.end(), knob.begin(), knob.end());
  return {{"pass", name_of(p.pass)},
          {"fusion", name_of(p.fusion)},
          {"precision", name_of(p.precision)},
          {"deterministic", p.deterministic},
          {"batch", p.batch},
          {"input", {p.input.height, p.input.width, p.input.channels}},
          {"output", {p.output.height, p.output.width, p.output.channels}},
          {"kernel", p.kernel},
          {"stride", p.stride},
          {"padding", p.padding},
          {"dilation", p.dilation},
          {"groups", p.groups},
          {"engine", choice.engine},
          {"knobs", knobs},
          {"rank", choice.rank}};
}

}  // namespace

ConvChoices ConvChoices::parse(std::string_view json, const std::string& origin) {
  const Json document = parse_strict_json(json, origin, kMaxDepth);
  const JsonMembers top(document, origin);
  require(top.text("format") == kFormat, "{}: is no file of convolutions' engines, but '{}'", origin,
          shown_text(top.text("format")));
  const std::int64_t version = top.integer("version", 1, kLargest);
  require(version <= kVersion, "{}: is of version {} of its format, and this program reads up to version {}",
          origin, version, kVersion);
  ConvChoices choices(top.text("gpu"), top.integer("cudnn", 1, kLargest));
  const Json& entries = top.list("entries", kMostEntries);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string where = fmt::format("{}: entry {}", origin, i);
    const JsonMembers entry(entries[i], where);
    try {
      const ConvProblem problem = problem_from(entry, version);
      require(choices.find(problem) == nullptr, "repeats '{}'", problem.to_string());
      choices.set(problem, choice_from(entry));
    } catch (const Error& error) {
      const std::string reason = error.what();
      if (reason.starts_with(where)) throw;
      fail("{}: {}", where, reason);
    }
  }
  return choices;
}

std::string ConvChoices::to_json() const {
  Json entries = Json::array();
  for (const auto& [problem, choice] : entries_) entries.push_back(as_json(problem, choice));
  return Json{{"format", kFormat},
              {"version", kVersion},
              {"gpu", gpu_},
              {"cudnn", cudnn_},
              {"entries", std::move(entries)}}
             .dump(1) +
         "\n";
}

const ConvChoice* ConvChoices::find(const ConvProblem& problem) const {
  const auto found = entries_.find(problem);
  return found == entries_.end() ? nullptr : &found->second;
}

}  // namespace secateur
