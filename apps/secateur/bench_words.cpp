#include "secateur/bench_words.h"

#include <CLI/CLI.hpp>

namespace secateur::app {

BenchWords::BenchWords(CLI::App& app, RunOptions& options, Choose choose)
    : Words(options, std::move(choose)) {
  CLI::App& bench = *app.add_subcommand("bench", "Measure: kernels, score, loader, train, infer");
  bench.require_subcommand(1);
  add_kernels(bench);
  add_score(bench);
  add_loader(bench);
  add_train(bench);
  add_infer(bench);
}

void BenchWords::add_kernels(CLI::App& bench) {
  CLI::App& kernels = *bench.add_subcommand(
      "kernels", "Time each kernel on the layers of real networks, against the machine's ceilings");
  kernels.add_option("--kernel", kernels_.kernel, "Only kernels of this name; * and ? stand for any letters");
  kernels.add_option("--shape", kernels_.shape, "Only these shapes, as in 'resnet56/layer1' or 'vgg16/*'");
  kernels.add_option("--device", kernels_.device, "auto, cpu or cuda [auto]");
  kernels.add_option("--precision", precision_, "fp32, fp16 or bf16 [fp32]");
  kernels.add_option("--batch", kernels_.batch, "Images [128, and 32 of 224x224]");
  kernels.add_option("--seconds", kernels_.seconds, "For each implementation on each shape [0.3]");
  kernels.add_option("--json", kernels_.json, "Write every run, with machine, build and ceilings")
      ->type_name("FILE");
  kernels.add_option("--svg", kernels_.svg, "Write the roofline")->type_name("FILE");
  run(kernels, [this] {
    kernels_.precision = precision_from_name(precision_);
    return run_bench_kernels(kernels_);
  });
}

void BenchWords::add_score(CLI::App& bench) {
  CLI::App& score = *bench.add_subcommand(
      "score", "Time a scoring pass over all channels of a network against a forward pass");
  score.add_option("--images", score_.images, "Images that are scored on [32]");
  score.add_option("--batch", score_.batch, "Images at once [32]");
  score.add_option("--runs", score_.runs, "Runs of each, in turns [5]");
  score.add_option("--json", score_.json, "Write every run")->type_name("FILE");
  run(score, {.model = true},
      [this](const OptionFlags& /*flags*/) { return run_bench_score(options_, score_); });
}

void BenchWords::add_loader(CLI::App& bench) {
  CLI::App& command = *bench.add_subcommand(
      "loader", "Time reading, decoding and cropping of training images, and the same in PyTorch");
  LoaderBenchOptions& o = loader_;
  command.add_option("--batch", o.batch, "Images of a batch [64]");
  command.add_option("--steps", o.steps, "Batches of a block [10]");
  command.add_option("--blocks", o.blocks, "Blocks of each, in turns [5]");
  command.add_option("--packed", o.packed, "A packed file (data pack) of the same images, in turns")
      ->type_name("FILE");
  command.add_option("--against", o.against,
                     "pytorch: its DataLoader on the same files, size and processors");
  command.add_option("--python", o.python, "The interpreter that has PyTorch [python3]");
  command.add_option("--json", o.json, "Write every block")->type_name("FILE");
  run(command, {.data = true},
      [this](const OptionFlags& /*flags*/) { return run_bench_loader(options_, loader_); });
}

void BenchWords::add_train(CLI::App& bench) {
  CLI::App& command =
      *bench.add_subcommand("train", "Time training steps in their parts, and the same steps in PyTorch");
  TrainBenchOptions& o = train_;
  command.add_option("--weights", o.weights, "A stored network, pruned perhaps")->type_name("FILE");
  command.add_option("--batch", o.batch, "Images of a step [128]");
  command.add_option("--steps", o.steps, "Steps of a block [10]");
  command.add_option("--blocks", o.blocks, "Blocks of each, in turns [5]");
  command.add_option(
      "--input", o.input,
      "augmented: shuffled, cropped, mirrored, normalised; fixed: one batch; data: the images of "
      "--data [augmented]");
  command.add_option(
      "--fuse", o.fuse,
      "Batch norm in the convolutions around it, where a GPU has engines for it: auto, off [auto]");
  command.add_option("--against", o.against, "pytorch: the same network, batch, precision and input path");
  command.add_option("--python", o.python, "The interpreter that has PyTorch [python3]");
  command.add_option("--json", o.json, "Write every block")->type_name("FILE");
  run(command, {.model = true, .data = true}, [this](const OptionFlags& flags) {
    if (flags.given("data.name")) train_.input = "data";
    return run_bench_train(options_, train_);
  });
}

void BenchWords::add_infer(CLI::App& bench) {
  CLI::App& command = *bench.add_subcommand(
      "infer", "Time inference, before and after pruning, and the same in ONNX Runtime");
  InferBenchOptions& o = infer_;
  command.add_option("--weights", o.weights, "Stored networks; the others are compared with the first")
      ->type_name("FILE");
  command.add_option("--batch", o.batches, "Images at once [1 128]");
  command.add_option("--round-to", o.round_to, "Cut the first network too, with widths rounded to these");
  command.add_option("--budget", o.budget, "Part of the multiply-adds that such a cut leaves [0.5]");
  command.add_option("--gpu", o.gpu,
                     "Plan for a GPU that need not be there, and measure nothing: a name or a description");
  command.add_option("--blocks", o.blocks, "Blocks of each, in turns [7]");
  command.add_option("--seconds", o.seconds, "Of a block, at least [0.2]");
  command.add_option("--against", o.against, "onnxruntime: the same networks, exported for it");
  command.add_option("--python", o.python, "The interpreter that has ONNX Runtime [python3]");
  command.add_option("--json", o.json, "Write every block")->type_name("FILE");
  run(command, {.model = true}, [this](const OptionFlags& /*flags*/) {
    return infer_.gpu.empty() ? run_bench_infer(options_, infer_) : run_bench_infer_plan(options_, infer_);
  });
}

}  // namespace secateur::app
