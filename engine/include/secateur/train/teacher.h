// Teacher: the network whose scores another one is trained towards (Hinton, Vinyals, Dean 2015, "Distilling
// the knowledge in a neural network"). It sees the very batch that its pupil sees, by a program of its own in
// memory of its own, with running statistics; nothing of it changes.
#pragma once

#include <memory>
#include <vector>

#include "secateur/runtime/model.h"
#include "secateur/runtime/program.h"

namespace secateur {

class Teacher {
 public:
  // On the model's device; its averages, where it keeps them, take its weights' place.
  Teacher(Model model, Stream& stream, Precision precision);

  // Writes the scores of the pupil's images to the pupil's teacher_logits(): after the images are filled in,
  // before forward(). Throws Error where images or classes are other than the teacher's.
  void answer(Program& pupil);

  [[nodiscard]] const Model& model() const { return model_; }
  // Where its answers are queued.
  [[nodiscard]] const Stream& stream() const { return stream_; }
  // Grows when its memory is replaced, after which answers that were recorded are out of date.
  [[nodiscard]] std::int64_t arena_generation() const { return arena_.generation(); }

 private:
  Program& program_for(const Tensor& images);

  Model model_;
  Arena arena_;
  Stream& stream_;
  Precision precision_;
  std::vector<std::unique_ptr<Program>> programs_;  // of whole batches and of an epoch's last
};

}  // namespace secateur
