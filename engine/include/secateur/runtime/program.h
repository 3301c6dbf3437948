// Program: a Model compiled for one device, batch size, precision and mode - an ordered list of bound kernels
// over a planned activation slab.
//
// All programs of a model share one Arena, since one runs at a time; what a program's tensors hold is valid
// from its forward() until another program of the arena runs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/core/slab.h"
#include "secateur/graph/conv_fusion.h"
#include "secateur/runtime/model.h"

namespace secateur {

// Activation memory shared by programs; grows to the largest and is replaced, never copied.
class Arena {
 public:
  explicit Arena(Device& device) : device_(&device) {}
  void reserve(std::int64_t bytes);
  // Gives the memory back (before a removal, say); the next program to run takes it anew.
  void clear();
  [[nodiscard]] std::byte* data() const { return slab_.data(); }
  [[nodiscard]] std::int64_t bytes() const { return slab_.bytes(); }
  [[nodiscard]] std::int64_t generation() const { return generation_; }
  [[nodiscard]] Device& device() const { return *device_; }

 private:
  Device* device_;
  Slab slab_;
  std::int64_t generation_ = 0;
};

//   train: batch statistics, dropout, loss, gradients of all trained parameters
//   infer: running statistics; loss if asked for
//   score: as infer, and the taps' values stay readable (fusion ends there)
//   score_gradients: running statistics, loss, gradients of parameters and of the taps
enum class ProgramMode : std::uint8_t { train, infer, score, score_gradients };

// What a loss adds beside the labels: the scores of a teacher (Hinton et al. 2015).
//   loss = (1 - weight) * cross-entropy + weight * T^2 * KL(softmax(teacher / T) || softmax(logits / T))
struct DistillationOptions {
  double weight = 0;  // 0: no teacher
  double temperature = 4;
};

struct ProgramOptions {
  std::int64_t batch = 1;
  ProgramMode mode = ProgramMode::infer;
  Precision precision = Precision::fp32;
  bool with_loss = false;       // implied by train and score_gradients
  std::int64_t image_size = 0;  // height and width of the images; 0: those of the model's graph
  double label_smoothing = 0;
  DistillationOptions distillation = {};  // of a training program
  std::vector<NodeId> taps = {};  // nodes of the model's graph whose values (and gradients) stay readable
  bool fuse = true;               // false: one kernel a node, the reference path
  // With `fuse`, where the mode is train and the device has engines for it: convolutions take batch norm's
  // statistics along and apply batch norm and ReLU to what they read (graph/conv_fusion.h).
  bool fuse_convolutions = true;
  // Channel axes of activations are stored padded to a multiple of this; 0: as the device and precision take
  // it (8 in 16 bits on a GPU, else 1).
  std::int64_t channel_padding = 0;
  // infer alone: parameters and running statistics keep the values that the first forward() finds. Where the
  // device has kernels for it, batch norms are then folded into the filters before them, laid out once.
  bool frozen = false;
  // Not for training: the model's averages (Model::keep_averages) in place of its values.
  bool averaged = false;
  // train alone: the processes whose parts make up one batch for batch norm; every rank runs such a program
  // of its own, in step with the others, and says in StepState::batch_samples how large the batch is. Null:
  // batch norm sees the own part.
  Communicator* batch_shared_by = nullptr;
};

// Told how far a backward pass is.
class GradientListener {
 public:
  virtual ~GradientListener() = default;
  // Elements first .. first + count - 1 of the gradients' region (Model::gradients) are final: what computes
  // them is queued. Ranges come in order, without gaps, up to ParameterLayout::trained_elements.
  virtual void on_gradients(std::int64_t first, std::int64_t count) = 0;
};

class Program {
 public:
  // Plans memory and binds kernels. Throws Error when an op has no kernel for the device, precision or shape,
  // and for an image size that the network does not take (graph/image_size.h).
  // Model, arena and stream must outlive the program.
  Program(Model& model, Arena& arena, Stream& stream, ProgramOptions options);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  [[nodiscard]] const ProgramOptions& options() const;
  [[nodiscard]] std::int64_t batch() const { return options().batch; }

  // What to fill before forward(): images [N, H, W, C], and labels [N, 1, 1, 1] (i32) where there is a loss;
  // a negative label takes its sample out of loss and gradients. Both are used up by a step: fill them before
  // each.
  [[nodiscard]] Tensor images();
  [[nodiscard]] Tensor labels();
  // Likewise, the teacher's logits [N, 1, 1, K], as this program's own are stored; with distillation alone.
  [[nodiscard]] Tensor teacher_logits();

  // Throws Error when the model was changed since (Model::generation): compile anew.
  void forward(const StepState& state);
  // Gradients of state.loss_scale * (sum of losses) / (state.batch_samples, or state.samples, or the batch
  // size). Needs forward() just before. `listener` may be null.
  void backward(const StepState& state, GradientListener* listener = nullptr);

  [[nodiscard]] Tensor logits();  // [N, 1, 1, K]
  [[nodiscard]] Tensor losses();  // [N, 1, 1, 1]
  [[nodiscard]] Tensor tap(std::size_t index);
  [[nodiscard]] Tensor tap_gradient(std::size_t index);  // score_gradients only

  [[nodiscard]] std::int64_t planned_bytes() const;
  [[nodiscard]] std::int64_t lower_bound_bytes() const;  // no plan of these buffers needs less
  // What became of each convolution; empty where the device or the options leave all of them alone.
  [[nodiscard]] std::span<const ConvFusionChoice> conv_fusions() const;
  // Kernels run by forward() and by backward().
  [[nodiscard]] std::int64_t forward_steps() const;
  [[nodiscard]] std::int64_t backward_steps() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace secateur
