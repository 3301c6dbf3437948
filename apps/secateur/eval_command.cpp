// secateur eval: accuracy of a stored network.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/session.h"
#include "secateur/text.h"
#include "secateur/train/evaluator.h"

namespace secateur::app {

int run_eval(RunOptions options, const std::filesystem::path& weights, const std::string& part, bool json) {
  require(part == "test" || part == "validation", "--part is test or validation, got '{}'", part);
  Session session(options.run);
  LoadedModel loaded = load_model(weights, session);
  if (part == "test") options.data.validation = 0;  // the split does not matter there
  const RunData data = open_data(options, part == "validation" ? loaded.split() : std::nullopt);
  const auto source = part == "test" ? data.test_source() : data.validation_source();
  Evaluator evaluator(loaded.model, session.arena(), session.stream(), options.train.eval_batch,
                      session.precision());
  const Evaluation result = evaluator.run(*source);
  if (json) {
    const nlohmann::json object{
        {"weights", weights.string()}, {"data", options.data.name}, {"part", part},
        {"samples", result.samples},   {"top1", result.top1},       {"top5", result.top5},
        {"loss", result.loss}};
    fmt::print("{}\n", object.dump(2));
  } else {
    fmt::print("{} images of {} ({}): top-1 {}, top-5 {}, loss {:.4f}\n", grouped(result.samples),
               options.data.name, part, percent(result.top1), percent(result.top5), result.loss);
  }
  return 0;
}

}  // namespace secateur::app
