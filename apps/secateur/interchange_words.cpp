#include "secateur/interchange_words.h"

#include <CLI/CLI.hpp>

namespace secateur::app {

InterchangeWords::InterchangeWords(CLI::App& app, RunOptions& options, Choose choose)
    : Words(options, std::move(choose)) {
  add_import(app);
  add_export(app);
  add_infer(app);
}

void InterchangeWords::add_import(CLI::App& app) {
  CLI::App& command =
      *app.add_subcommand("import", "Make a network's file from weights of another framework");
  command.add_option("file", import_.file, "A safetensors file")->required()->type_name("FILE");
  command.add_option("--from", import_.from,
                     "Whose names the file has: torchvision, timm or plain [those it carries]");
  command.add_option("--model", import_.model, "The network [the one that the file carries]");
  command.add_option("--image", import_.image, "Side of its images [as published]");
  command.add_option("--normalization", import_.normalization,
                     "imagenet, cifar10, cifar100 or none [imagenet for torchvision and timm]");
  command.add_option("--classes", import_.classes, "Names of the classes, one a line")->type_name("FILE");
  command.add_option("--out", import_.out, "The network's file [model.h5]")->type_name("FILE");
  run(command, [this] { return run_import(options_, import_); });
}

void InterchangeWords::add_export(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("export", "Write a stored network for other programs");
  command.add_option("model", export_.model, "The network's file")->required()->type_name("FILE");
  command.add_option("--format", export_.format, "safetensors or onnx")->required();
  command.add_option("--out", export_.out, "The file to write")->required()->type_name("FILE");
  command.add_option("--names", export_.names, "safetensors: names of own, torchvision or timm [own]");
  command.add_flag("--fold-bn", export_.fold_bn, "onnx: batch norm becomes part of the layer before it");
  command.add_option("--opset", export_.opset, "onnx: 13 to 21 [17]");
  command.add_flag("--dynamic-batch", export_.dynamic_batch, "onnx: any number of images at once");
  command.add_option("--batch", export_.batch, "onnx: images at once [1]");
  run(command, [this] { return run_export(options_, export_); });
}

void InterchangeWords::add_infer(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("infer", "Classify image files and folders with a stored network");
  command.add_option("model", infer_.model, "The network's file")->required()->type_name("FILE");
  command.add_option("paths", infer_.paths, "Images, and folders of them")->type_name("PATH");
  command.add_option("--list", infer_.list, "A file with one path a line; - is standard input")
      ->type_name("FILE");
  command.add_option("--topk", infer_.topk, "Classes shown of each image [1]");
  command.add_option("--batch", infer_.batch, "Images at once [32]");
  command.add_option("--resize", infer_.resize,
                     "Shorter side that images are scaled to before the central crop [what the crop needs]");
  command.add_flag("--json", infer_.json, "Print one JSON object an image");
  run(command, Sections{}, [this](const OptionFlags& /*flags*/) { return run_infer(options_, infer_); });
}

}  // namespace secateur::app
