#include "secateur/teaching.h"

#include "secateur/core/error.h"

namespace secateur::app {

std::unique_ptr<Teacher> open_teacher(const TrainOptions& options, Session& session, const StateTree* stored,
                                      const StateTree* base) {
  if (options.distill == 0) return nullptr;
  const auto teacher = [&](Model model) {
    return std::make_unique<Teacher>(std::move(model), session.stream(), session.precision());
  };
  const auto from = [&](const StateTree& tree, const char* scope) {
    return teacher(Model::load(StateReader(tree).scope(scope), session.device(), session.stream()));
  };
  if (stored != nullptr && StateReader(*stored).contains("teacher")) return from(*stored, "teacher");
  if (!options.teacher.empty()) return teacher(load_model(options.teacher, session).model);
  require(base != nullptr, "--distill needs a network that teaches: --teacher FILE names it");
  return from(*base, "model");
}

// A writer is a handle. NOLINTNEXTLINE(performance-unnecessary-value-param)
void save_teacher(const Teacher& teacher, StateWriter writer, Stream& stream) {
  teacher.model().save(writer.scope("teacher"), stream);
}

}  // namespace secateur::app
