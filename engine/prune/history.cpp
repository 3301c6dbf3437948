#include "secateur/prune/history.h"

#include "secateur/core/error.h"

namespace secateur {
namespace {

void save_record(const RoundRecord& r, StateWriter w) {
  w.set("round", r.round);
  w.set("outcome", std::string(option_name(r.outcome)));
  w.set("alpha", r.alpha);
  w.set("beta", r.beta);
  w.set("gamma", r.gamma);
  w.set("accuracy_before", r.accuracy_before);
  w.set("accuracy_first", r.accuracy_first);
  w.set("accuracy", r.accuracy);
  w.set("halvings", r.halvings);
  w.set("fallback_epochs", r.fallback_epochs);
  w.set("removed_channels", r.removed_channels);
  w.set("parameters", r.parameters);
  w.set("macs", r.macs);
  w.set("names", r.names);
  w.set("importance", r.importance);
  w.set("rates", r.rates);
  w.set("widths", r.widths);
}

RoundOutcome outcome_from(const std::string& name) {
  for (const auto& [outcome, known] : EnumNames<RoundOutcome>::kTable) {
    if (known == name) return outcome;
  }
  fail("a stored round ended as '{}', which this version does not know", name);
}

RoundRecord load_record(const StateReader& reader) {
  RoundRecord r;
  r.round = reader.get<std::int64_t>("round");
  r.outcome = outcome_from(reader.get<std::string>("outcome"));
  r.alpha = reader.get<double>("alpha");
  r.beta = reader.get<double>("beta");
  r.gamma = reader.get<double>("gamma");
  r.accuracy_before = reader.get<double>("accuracy_before");
  r.accuracy_first = reader.get<double>("accuracy_first");
  r.accuracy = reader.get<double>("accuracy");
  r.halvings = reader.get<std::int64_t>("halvings");
  r.fallback_epochs = reader.get<std::int64_t>("fallback_epochs");
  r.removed_channels = reader.get<std::int64_t>("removed_channels");
  r.parameters = reader.get<std::int64_t>("parameters");
  r.macs = reader.get<std::int64_t>("macs");
  r.names = reader.get<std::vector<std::string>>("names");
  r.importance = reader.get<std::vector<double>>("importance");
  r.rates = reader.get<std::vector<double>>("rates");
  r.widths = reader.get<std::vector<std::int64_t>>("widths");
  return r;
}

void copy_below(const StateReader& reader, const std::string& prefix, StateTree& tree) {
  for (const std::string& name : reader.children()) {
    const std::string path = prefix.empty() ? name : fmt::format("{}/{}", prefix, name);
    if (reader.scope(name).children().empty()) {
      tree.set(path, reader.value(name));
    } else {
      copy_below(reader.scope(name), path, tree);
    }
  }
}

}  // namespace

void save_history(const std::vector<RoundRecord>& history, StateWriter writer) {
  writer.set("count", static_cast<std::int64_t>(history.size()));
  for (std::size_t i = 0; i < history.size(); ++i)
    save_record(history[i], writer.scope(fmt::format("{:06}", i)));
}

std::vector<RoundRecord> load_history(const StateReader& reader) {
  std::vector<RoundRecord> history;
  for (std::int64_t i = 0; i < reader.get<std::int64_t>("count"); ++i) {
    history.push_back(load_record(reader.scope(fmt::format("{:06}", i))));
  }
  return history;
}

StateTree copy_out(const StateReader& reader) {
  StateTree tree;
  copy_below(reader, "", tree);
  return tree;
}

void copy_in(const StateTree& tree, StateWriter writer) {
  for (const auto& [path, value] : tree.entries()) writer.set(path, value);
}

}  // namespace secateur
