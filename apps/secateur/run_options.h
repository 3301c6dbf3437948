// Everything a run can be told, as structs of plain values. Each option is described once (describe()), and
// from that one description come its TOML key, its command-line flag, its help text and its checks.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "secateur/io/options.h"
#include "secateur/prune/prune_options.h"
#include "secateur/train/lr_schedule.h"

namespace secateur::app {

// Whose accuracy steers a pruning run (controller, fallback). validation: training images that the base was
// not trained on. seen: images that it was trained on. test: the test images, as the paper apparently does.
enum class SteerBy : std::uint8_t { validation, seen, test };

}  // namespace secateur::app

namespace secateur {

template <>
struct EnumNames<app::SteerBy> {
  static constexpr std::array<std::pair<app::SteerBy, std::string_view>, 3> kTable{
      {{app::SteerBy::validation, "validation"}, {app::SteerBy::seen, "seen"}, {app::SteerBy::test, "test"}}};
};

// The keys are the program's, so the description of the engine's pruning options stands with the others.
template <class Visitor>
void describe(PruneOptions& o, Visitor& v) {
  v("prune.rounds", o.rounds, "Rounds of pruning (T)", at_least(1));
  v("prune.frequency", o.frequency, "Remove in every so many rounds (f)", at_least(1));
  v("prune.rate", o.rate, "Global rate (psi)", between(0, 1));
  v("prune.tau", o.tau, "Loss of accuracy in a round, as a fraction, that sets off the fallback",
    at_least(0));
  v("prune.criterion", o.criterion, "Score of a channel (docs/user-guide.md lists them)");
  v("prune.rate-policy", o.rate_policy, "How the rate differs between layers");
  v("prune.rate-table", o.rate_table, "GLOB=RATE entries of the policies fixed and sensitivity");
  v("prune.max-space-rate", o.max_space_rate, "Policy global: most that may go of one layer in a round",
    between(0, 1));
  v("prune.sample-images", o.sample_images, "Images that are scored on (N)", at_least(1));
  v("prune.sample-batch", o.sample_batch, "Images of a scoring step", at_least(1));
  v("prune.taps", o.taps, "Where feature maps are read");
  v("prune.redundancy", o.redundancy, "Mean of the correlations: with sign, absolute, squared");
  v("prune.producer-reduction", o.producer_reduction,
    "How scores of several layers that share channels become one");
  v("prune.selection", o.selection, "once, or greedy: survivors are scored anew after each removal");
  v("prune.quirks", o.quirks,
    "Where authors' code parts from their text: intended (text) or official (code)");
  v("prune.scope", o.scope, "all channels, or only the inner ones of residual blocks");
  v("prune.keep", o.keep, "Layers (globs) that are never pruned");
  v("prune.width-mode", o.width.mode, "How rates add up over rounds; target meets a budget");
  v("prune.rounding", o.width.rounding, "How a real-valued width becomes whole channels");
  v("prune.min-channels", o.width.min_channels, "Fewest channels of a layer", at_least(1));
  v("prune.round-to", o.width.round_to,
    "Widths are multiples of this, where the layer was; auto (0): as the device runs each layer fast",
    at_least(0));
  v("prune.budget-measure", o.budget.measure, "What the budget counts");
  v("prune.budget", o.budget.fraction, "Part of the unpruned network's cost that may remain", above(0),
    at_most(1));
  v("prune.budget-amount", o.budget.amount,
    "What may remain as it is counted (multiply-adds, parameters, bytes, seconds), in place of a part; 0: "
    "the "
    "part",
    at_least(0));
  v("prune.budget-batch", o.budget.batch, "Images of the inference that memory and latency are of",
    at_least(1));
  v("prune.weights", o.controller.weights, "alpha and beta: dynamic (Eqs. 15 and 17), or static");
  v("prune.alpha-start", o.controller.alpha_start, "alpha at the start", at_least(0));
  v("prune.alpha-end", o.controller.alpha_end, "alpha at the end", at_least(0));
  v("prune.beta-start", o.controller.beta_start, "beta at the start", at_least(0));
  v("prune.beta-end", o.controller.beta_end, "beta at the end", at_least(0));
  v("prune.static-alpha", o.controller.static_alpha, "alpha of static weights", at_least(0));
  v("prune.static-beta", o.controller.static_beta, "beta of static weights", at_least(0));
  v("prune.gamma", o.controller.gamma, "Sensitivity of the feedback", at_least(0));
  v("prune.feedback-unit", o.controller.feedback_unit, "Unit of the change of accuracy in the feedback");
  v("prune.feedback-when", o.controller.feedback_when, "When the feedback acts");
  v("prune.feedback-base", o.controller.feedback_base, "What the feedback multiplies");
  v("prune.fallback", o.fallback.enabled, "Take back a round that lost too much");
  v("prune.fallback-epochs", o.fallback.epochs, "Epochs of the fallback's training", at_least(0));
  v("prune.fallback-lr-factor", o.fallback.lr_factor, "Learning rate of the fallback, as a factor", above(0));
  v("prune.max-halvings", o.fallback.max_halvings,
    "Times that a round's rates are halved before it is skipped", at_least(0));
  v("prune.fallback-success", o.fallback.success, "When the fallback counts as successful");
  v("prune.train-hook", o.train_hook, "What the epochs before a removal train with (docs/methods.md)");
  v("prune.sparsity", o.sparsity, "Strength of the training hook", at_least(0));
  v("prune.mask-mode", o.mask_mode,
    "hard: remove; soft, asymptotic: first zero each epoch, filters may regrow");
  v("prune.mask-knee", o.mask_knee,
    "Part of the epochs after which an asymptotic mask has 3/4 of its filters", above(0), below(0.75));
  v("prune.search", o.search.name, "Search over the rates of the layers, in place of the rate policy");
  v("prune.search-sources", o.search.sources, "Candidates that the search keeps", at_least(2));
  v("prune.search-cycles", o.search.cycles, "Cycles of the search", at_least(0));
  v("prune.search-patience", o.search.patience, "Trials before a candidate is given up", at_least(1));
  v("prune.search-levels", o.search.levels, "A layer keeps up to so many tenths (P)", at_least(1),
    at_most(10));
  v("prune.search-epochs", o.search.epochs, "Epochs of training before a candidate is measured", at_least(0));
  v("prune.reinitialize", o.reinitialize, "Draw the weights anew after each removal (a control)");
  v("prune.train-epochs", o.train_epochs, "Epochs of training before each removal", at_least(0));
  v("prune.finetune-epochs", o.finetune_epochs, "Epochs of fine-tuning after each removal (E)", at_least(0));
  v("prune.watch", o.watch, "Measure accuracy after each removal and each epoch of fine-tuning too");
  v("prune.lr-schedule", o.lr_schedule, "How the rate changes: within a round, or (paper) over the run",
    one_of(lr_schedule_names()));
  v("prune.learning-rate", o.learning_rate, "Base learning rate of training and fine-tuning", above(0));
}

}  // namespace secateur

namespace secateur::app {

struct ModelOptions {
  std::string name = "resnet20";
  std::string shortcut = "projection";  // of CIFAR ResNets: projection | zero_padding
  std::int64_t head = 0;                // of VGG: width of a hidden linear layer, 0 for none
};

struct DataOptions {
  std::string name = "synthetic";
  std::string directory;           // empty: SECATEUR_DATA
  std::int64_t validation = 5000;  // images taken out of the training set to steer by
  SteerBy steer_by = SteerBy::validation;
  std::int64_t train_limit = 0;  // use only so many training images, 0 for all
  std::int64_t test_limit = 0;
  bool augment = true;
  std::int64_t synthetic_train = 10000;
  std::int64_t synthetic_test = 2000;
  std::int64_t synthetic_seed = 1;  // not run.seed: runs with several seeds share their images
  // Of imagefolder and packed.
  std::int64_t image_size = 224;
  std::int64_t resize = 0;
  double crop_area = 0.08;
  double color_jitter = 0;
  double hue_jitter = 0;
  std::int64_t decode_threads = 0;
  bool strict = false;
  std::string class_map;
  std::string val_labels;
};

struct TrainOptions {
  std::int64_t epochs = 200;
  std::int64_t batch = 128;
  std::int64_t eval_batch = 256;
  double learning_rate = 0.1;
  std::string schedule = "cosine";
  double warmup_epochs = 0;
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 5e-4;
  bool decay_norm_and_bias = true;
  double label_smoothing = 0;
  double ema = 0;
  std::int64_t resize_from = 0;
  std::int64_t resize_until_epoch = 0;
  std::int64_t resize_step = 32;
  double distill = 0;
  double distill_temperature = 4;
  std::string teacher;  // empty: of prune, the network that it begins with
  bool drop_last = false;
  bool sync_batch_norm = false;
  std::int64_t checkpoint_every = 1;  // epochs
  std::string fuse = "auto";          // auto | off: batch norm in the convolutions around it
  bool record = true;                 // a step once, where the device can; then it is replayed
  std::int64_t read_every = 50;       // recorded steps between two looks at the loss
  std::string on_nan = "stop";        // stop | rollback: to the last checkpoint, with half the learning rate
};

struct RunSettings {
  std::uint64_t seed = 1;
  std::string device = "cpu";
  std::string precision = "fp32";
  std::int64_t threads = 0;  // 0: all cores
  std::string out;           // folder of the run
  bool tensorboard = false;  // event files beside the run log
};

// The device that a network is pruned for, where it is not the one that prunes it.
struct TargetOptions {
  std::string gpu;  // a name, or a file that describes one; empty: run.device
  std::string gpu_precision = "fp32";
};

template <class Visitor>
void describe(TargetOptions& o, Visitor& v) {
  v("target.gpu", o.gpu,
    "GPU whose fast widths --round-to auto takes: a name (secateur plan lists them) or a description in "
    "JSON");
  v("target.gpu-precision", o.gpu_precision, "Arithmetic on that GPU",
    one_of({"fp32", "tf32", "bf16", "fp16"}));
}

template <class Visitor>
void describe(ModelOptions& o, Visitor& v) {
  v("model.name", o.name, "Network to build (secateur inspect lists them)");
  v("model.shortcut", o.shortcut, "Shortcuts of CIFAR ResNets where the shape changes",
    one_of({"projection", "zero_padding"}));
  v("model.head", o.head, "Width of a hidden linear layer of VGG, 0 for none", at_least(0));
}

template <class Visitor>
void describe(DataOptions& o, Visitor& v) {
  v("data.name", o.name, "Data set", one_of({"cifar10", "cifar100", "imagefolder", "packed", "synthetic"}));
  v("data.directory", o.directory,
    "Where it lies (packed: the file); empty: the environment's SECATEUR_DATA");
  v("data.validation", o.validation, "Training images set aside to steer by, the same share of every class",
    at_least(0));
  v("data.steer-by", o.steer_by,
    "Images that steer pruning: set aside, seen by the base in training, or the test images (as in the "
    "paper); "
    "the report says so");
  v("data.train-limit", o.train_limit, "Use only so many training images, 0 for all", at_least(0));
  v("data.test-limit", o.test_limit, "Use only so many test images, 0 for all", at_least(0));
  v("data.augment", o.augment,
    "In training, mirroring and a random crop: of the image padded by 4, or (imagefolder) resized");
  v("data.synthetic-train", o.synthetic_train, "Training images of the synthetic set", at_least(10));
  v("data.synthetic-test", o.synthetic_test, "Test images of the synthetic set", at_least(10));
  v("data.synthetic-seed", o.synthetic_seed, "What the synthetic set is made from", at_least(0));
  v("data.image-size", o.image_size, "imagefolder, packed: height and width that images are brought to",
    at_least(8));
  v("data.resize", o.resize,
    "Shorter side before the central crop of an evaluation, 0 for 8/7 of the image size (256 for 224)",
    at_least(0));
  v("data.crop-area", o.crop_area, "Least share of the image that a random crop takes", above(0), at_most(1));
  v("data.color-jitter", o.color_jitter, "Strength of random brightness, contrast and saturation",
    between(0, 1));
  v("data.hue-jitter", o.hue_jitter, "Most that the hue is turned at random, as a part of the colour circle",
    between(0, 0.5));
  v("data.decode-threads", o.decode_threads, "Threads that decode images, 0 for one a processor",
    at_least(0));
  v("data.strict", o.strict, "Stop at an image that cannot be decoded, instead of leaving it out");
  v("data.class-map", o.class_map,
    "imagefolder: file with a class folder a line, in the order of the labels");
  v("data.val-labels", o.val_labels, "imagefolder: file with the classes of a flat folder val");
}

template <class Visitor>
void describe(TrainOptions& o, Visitor& v) {
  v("train.epochs", o.epochs, "Epochs of training", at_least(1));
  v("train.batch", o.batch, "Images of a training step, of all processes together", at_least(1));
  v("train.eval-batch", o.eval_batch, "Images of an evaluation step", at_least(1));
  v("train.learning-rate", o.learning_rate, "Base learning rate", above(0));
  v("train.schedule", o.schedule, "How the learning rate changes", one_of(lr_schedule_names()));
  v("train.warmup-epochs", o.warmup_epochs, "Epochs of linear warm-up", at_least(0));
  v("train.momentum", o.momentum, "Momentum of SGD", at_least(0), below(1));
  v("train.nesterov", o.nesterov, "Nesterov's form of momentum");
  v("train.weight-decay", o.weight_decay, "Weight decay", at_least(0));
  v("train.decay-norm-and-bias", o.decay_norm_and_bias, "Weight decay on batch norm and biases too");
  v("train.label-smoothing", o.label_smoothing, "Label smoothing", at_least(0), below(1));
  v("train.ema", o.ema, "Decay of averaged weights, which are evaluated and saved; 0 for none (0.9999)",
    at_least(0), below(1));
  v("train.resize-from", o.resize_from,
    "Height and width of images in the first epoch, which grow to the full size; 0 for that throughout",
    at_least(0));
  v("train.resize-until-epoch", o.resize_until_epoch, "Epoch from which on images have their full size",
    at_least(0));
  v("train.resize-step", o.resize_step, "Pixels by which they grow at once", at_least(1));
  v("train.distill", o.distill, "Weight of a teacher's scores in the loss, beside the labels; 0 for none",
    between(0, 1));
  v("train.distill-temperature", o.distill_temperature, "Temperature that softens both networks' scores",
    above(0));
  v("train.teacher", o.teacher, "Network that teaches; empty in prune: the one that is pruned, as it was");
  v("train.drop-last", o.drop_last, "Leave out the last, smaller batch of an epoch");
  v("train.sync-batch-norm", o.sync_batch_norm,
    "Of several processes: batch norm sees the whole batch, not each process its part");
  v("train.checkpoint-every", o.checkpoint_every, "Epochs between checkpoints", at_least(1));
  v("train.fuse", o.fuse,
    "Batch norm in the convolutions around it, where a GPU has engines for it (fp16): auto, or off",
    one_of({"auto", "off"}));
  v("train.record", o.record,
    "On a GPU, record a step as one CUDA graph and replay it; no: look at each step, to find errors");
  v("train.read-every", o.read_every, "Recorded steps between two looks at loss and counts", at_least(1));
  v("train.on-nan", o.on_nan,
    "Loss or weights not finite: stop, or go back to the last checkpoint with half the learning rate",
    one_of({"stop", "rollback"}));
}

template <class Visitor>
void describe(RunSettings& o, Visitor& v) {
  v("run.seed", o.seed, "Seed of everything random", at_least(0));
  v("run.device", o.device, "Device to run on", one_of({"cpu", "cuda", "reference"}));
  v("run.precision", o.precision, "Arithmetic of compute and activations",
    one_of({"fp32", "tf32", "bf16", "fp16", "fp64"}));
  v("run.threads", o.threads, "Threads of the CPU back end, 0 for all cores", at_least(0));
  v("run.out", o.out, "Folder that the run leaves its files in");
  v("run.tensorboard", o.tensorboard, "Write TensorBoard event files beside the run log");
}

struct RunOptions {
  ModelOptions model;
  DataOptions data;
  TrainOptions train;
  PruneOptions prune;
  TargetOptions target;
  RunSettings run;
};

}  // namespace secateur::app
