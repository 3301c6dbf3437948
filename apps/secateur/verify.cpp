#include "secateur/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/noise.h"
#include "secateur/prune/surgeon.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

constexpr std::int64_t kBatch = 32;
constexpr double kBound = 1e-5;

std::vector<double> logits_of(Model& model, Session& session) {
  Program program(model, session.arena(), session.stream(),
                  {.batch = kBatch, .precision = session.precision()});
  fill_with_noise(program.images(), session.stream());
  program.forward({});
  return read_values(program.logits(), session.stream());
}

// The plan that leads from the base to the pruned network, read off the original indices that the latter
// carries.
PruningPlan plan_between(const Graph& base, const Graph& pruned) {
  const ChannelSpaces spaces(base);
  KeptMembers kept = spaces.keep_all();
  for (std::size_t s = 0; s < kept.size(); ++s) {
    const SpaceProducer& producer = spaces.spaces()[s].producers.front();
    const std::string& name = base.node(producer.node).name;
    const NodeId node = pruned.find(name);
    require(node >= 0, "the pruned network has no layer '{}': it does not come from this base", name);
    const Attributes& attributes = pruned.node(node).attributes;
    if (!attributes.contains("origin")) continue;
    const auto& origin = attributes.integers("origin");
    std::erase_if(kept[s], [&](std::int64_t member) {
      return std::ranges::count(origin, producer.channels[static_cast<std::size_t>(member)]) == 0;
    });
  }
  return PruningPlan::from_members(spaces, kept);
}

// Every third channel of every space that may be pruned.
PruningPlan sample_plan(const Graph& graph) {
  const ChannelSpaces spaces(graph);
  KeptMembers kept = spaces.keep_all();
  for (std::size_t s = 0; s < kept.size(); ++s) {
    const ChannelSpace& space = spaces.spaces()[s];
    if (space.pinned || space.groups > 1 || space.width < 3) continue;
    std::erase_if(kept[s], [](std::int64_t member) { return member % 3 == 1; });
  }
  return PruningPlan::from_members(spaces, kept);
}

}  // namespace

int run_verify(const RunOptions& /*options*/, Session& session, LoadedModel& loaded,
               const std::filesystem::path& base, bool json) {
  std::optional<LoadedModel> base_model;
  if (!base.empty()) base_model = load_model(base, session);
  const Model& whole = base_model ? base_model->model : loaded.model;
  const PruningPlan plan =
      base_model ? plan_between(whole.graph(), loaded.model.graph()) : sample_plan(whole.graph());
  Model masked = whole.clone(session.device(), session.stream(), session.stream());
  Model removed = whole.clone(session.device(), session.stream(), session.stream());
  apply_mask(masked, plan, session.stream());
  apply_plan(removed, plan, session.stream());
  const std::vector<double> a = logits_of(masked, session);
  const std::vector<double> b = logits_of(removed, session);
  double largest = 0;
  double scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(a[i]));
  }
  const double relative = scale > 0 ? largest / scale : largest;
  const bool good = relative <= kBound;
  if (json) {
    const nlohmann::json object{{"removed_channels", plan.removed_channels()},
                                {"largest_difference", largest},
                                {"relative_difference", relative},
                                {"bound", kBound},
                                {"equal", good}};
    fmt::print("{}\n", object.dump(2));
  } else {
    fmt::print(
        "{} channels, masked against removed: largest difference of {} outputs {:.3g} ({:.3g} of the largest "
        "output); {}\n",
        grouped(plan.removed_channels()), grouped(static_cast<std::int64_t>(a.size())), largest, relative,
        good ? "equal" : fmt::format("MORE than {:g}", kBound));
  }
  return good ? 0 : 1;
}

}  // namespace secateur::app
