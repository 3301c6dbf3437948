// Distillation: whose scores the loss sees, and what is learnt from them alone.
#include "secateur/train/teacher.h"

#include <gtest/gtest.h>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/train/trainer.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::NoiseSource;
using selftest::WholeModel;

constexpr std::int64_t kClasses = 4;

// Another source's images under labels that are all wrong.
class WrongLabels final : public BatchSource {
 public:
  explicit WrongLabels(BatchSource& source) : source_(source) {}
  [[nodiscard]] std::int64_t size() const override { return source_.size(); }
  [[nodiscard]] MapShape image_shape() const override { return source_.image_shape(); }
  [[nodiscard]] std::int64_t num_classes() const override { return source_.num_classes(); }
  void begin_epoch(std::int64_t epoch) override { source_.begin_epoch(epoch); }
  void fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
            const Tensor& labels) override {
    source_.fill(first, count, stream, images, labels);
    auto* label = labels.as<std::int32_t>();
    for (std::int64_t n = 0; n < count; ++n) label[n] = (label[n] + 1) % static_cast<std::int32_t>(kClasses);
  }

 private:
  BatchSource& source_;
};

const LrPhase kPhase{.factor = find_lr_schedule("cosine"), .base_rate = 0.05, .epochs = 5};

void train(Trainer& trainer) {
  TrainObserver silent;
  for (std::int64_t epoch = 0; epoch < 5; ++epoch) (void)trainer.run_epoch(kPhase, epoch, silent);
}

double accuracy(WholeModel& whole) {
  NoiseSource unseen(whole.model.graph().shape(0), kClasses, 75, 3);
  Evaluator evaluator(whole.model, whole.arena, *whole.stream, 32, whole.precision);
  return evaluator.run(unseen).top1;
}

// All labels are wrong, and with a weight of 1 nothing but the teacher counts.
TEST(Teacher, TeachesByItsScoresAlone) {
  WholeModel taught(selftest::small_resnet(8), DeviceKind::cpu);
  NoiseSource source(taught.model.graph().shape(0), kClasses, 100, 3);
  TrainerOptions options;
  options.batch = 8;
  Trainer first(taught.model, taught.arena, *taught.stream, source, options);
  train(first);
  EXPECT_GT(accuracy(taught), 0.9);

  WrongLabels wrong(source);
  options.distillation = {.weight = 1, .temperature = 2};
  WholeModel pupil(selftest::small_vgg(), DeviceKind::cpu);
  Teacher teacher(taught.model.clone(*pupil.device, *taught.stream, *pupil.stream), *pupil.stream,
                  Precision::fp32);
  Trainer trainer(pupil.model, pupil.arena, *pupil.stream, wrong, options);
  TrainObserver silent;
  EXPECT_THROW((void)trainer.run_epoch(kPhase, 0, silent), Error) << "a distillation needs a teacher";
  trainer.teach(teacher);
  train(trainer);
  EXPECT_GT(accuracy(pupil), 0.85);
}

// The scores that reach the loss are those of an inference of the teacher, on the batch that the pupil sees.
TEST(Teacher, AnswersOnThePupilsBatch) {
  WholeModel pupil(selftest::small_vgg(), DeviceKind::reference);
  WholeModel other(selftest::small_resnet(), DeviceKind::reference, 11);
  NoiseSource source(pupil.model.graph().shape(0), kClasses, 12, 3);
  Program expected(other.model, other.arena, *other.stream,
                   {.batch = 6, .precision = Precision::fp64, .with_loss = true});
  source.fill(6, 6, *other.stream, expected.images(), expected.labels());
  expected.forward({});

  Teacher teacher(other.model.clone(*pupil.device, *other.stream, *pupil.stream), *pupil.stream,
                  Precision::fp64);
  Program program(pupil.model, pupil.arena, *pupil.stream,
                  {.batch = 6,
                   .mode = ProgramMode::train,
                   .precision = Precision::fp64,
                   .distillation = {.weight = 0.5}});
  source.fill(6, 6, *pupil.stream, program.images(), program.labels());
  const std::vector<double> images = read_values(program.images(), *pupil.stream);
  teacher.answer(program);
  EXPECT_EQ(read_values(program.images(), *pupil.stream), images);
  EXPECT_LE(selftest::relative_error(read_values(program.teacher_logits(), *pupil.stream),
                                     read_values(expected.logits(), *other.stream)),
            1e-12);
}

TEST(Teacher, OfOtherClassesIsRefused) {
  WholeModel pupil(selftest::small_vgg(), DeviceKind::cpu);
  Graph graph = selftest::small_vgg();
  std::vector<Node> nodes(graph.nodes().begin(), graph.nodes().end());
  nodes.back().attributes.set("out_features", std::int64_t{7});
  graph.replace_nodes(std::move(nodes));
  Teacher teacher(Model(std::move(graph), *pupil.device), *pupil.stream, Precision::fp32);
  Program program(pupil.model, pupil.arena, *pupil.stream,
                  {.batch = 6, .mode = ProgramMode::train, .distillation = {.weight = 0.5}});
  EXPECT_THROW(teacher.answer(program), Error);
}

TEST(Teacher, AProgramWithoutDistillationHasNone) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
  Program program(whole.model, whole.arena, *whole.stream, {.batch = 2, .mode = ProgramMode::train});
  EXPECT_THROW((void)program.teacher_logits(), Error);
}

}  // namespace
}  // namespace secateur
