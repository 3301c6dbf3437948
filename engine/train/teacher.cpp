#include "secateur/train/teacher.h"

#include <algorithm>

#include "secateur/core/error.h"

namespace secateur {
namespace {

// Programs of a batch's size and of the last batch's are in use at once; older ones are of other images.
constexpr std::size_t kPrograms = 2;

}  // namespace

Teacher::Teacher(Model model, Stream& stream, Precision precision)
    : model_(std::move(model)), arena_(model_.device()), stream_(stream), precision_(precision) {
  model_.adopt_averages(stream_);
}

Program& Teacher::program_for(const Tensor& images) {
  const auto found = std::ranges::find_if(
      programs_, [&](const auto& program) { return program->images().shape == images.shape; });
  if (found != programs_.end()) return **found;
  if (programs_.size() == kPrograms) programs_.clear();
  const MapShape own = model_.graph().shape(0);
  const bool same = images.shape[1] == own.height && images.shape[2] == own.width;
  ProgramOptions options{.batch = images.shape[0],
                         .mode = ProgramMode::infer,
                         .precision = precision_,
                         .image_size = same ? 0 : images.shape[1],
                         .frozen = true};
  programs_.push_back(std::make_unique<Program>(model_, arena_, stream_, std::move(options)));
  return *programs_.back();
}

void Teacher::answer(Program& pupil) {
  const Tensor seen = pupil.images();
  const Tensor wanted = pupil.teacher_logits();
  Program& program = program_for(seen);
  const Tensor images = program.images();
  const Tensor logits = program.logits();
  require(images.shape == seen.shape && images.leading == seen.leading,
          "the teacher takes images {}, its pupil is trained on {}", images.shape.to_string(),
          seen.shape.to_string());
  require(logits.shape == wanted.shape && logits.leading == wanted.leading,
          "the teacher's scores are {}, its pupil's {}: they are of other classes", logits.shape.to_string(),
          wanted.shape.to_string());
  stream_.copy(images.data, seen.data, seen.stored_bytes());
  program.forward({});
  stream_.copy(wanted.data, logits.data, logits.stored_bytes());
}

}  // namespace secateur
