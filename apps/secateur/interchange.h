// The words that carry networks and images across the border: import, export, infer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "secateur/run_options.h"

namespace secateur::app {

struct ImportArguments {
  std::filesystem::path file;
  std::string from;               // torchvision, timm or plain; empty: the names that the file itself carries
  std::string model;              // empty: the graph that the file itself carries
  std::int64_t image = 0;         // side of the images; 0: what the network was published for
  std::string normalization;      // imagenet, cifar10, cifar100 or none; empty: what goes with `from`
  std::filesystem::path classes;  // names, one a line
  std::filesystem::path out = "model.h5";
};
int run_import(const RunOptions& options, const ImportArguments& arguments);

struct ExportArguments {
  std::filesystem::path model;
  std::string format;         // safetensors or onnx
  std::string names = "own";  // of safetensors
  std::filesystem::path out;
  bool fold_bn = false;  // of onnx, as what follows
  bool dynamic_batch = false;
  std::int64_t opset = 17;
  std::int64_t batch = 1;
};
int run_export(const RunOptions& options, const ExportArguments& arguments);

struct InferArguments {
  std::filesystem::path model;
  std::vector<std::filesystem::path> paths;  // files and folders
  std::string list;                          // a file of paths, one a line; "-" is standard input
  std::int64_t topk = 1;
  std::int64_t batch = 32;
  std::int64_t resize = 0;  // shorter side before the central crop, as in evaluation; 0: what the crop needs
  bool json = false;
};
// 1 when a file could not be read; the others are classified all the same.
int run_infer(const RunOptions& options, const InferArguments& arguments);

}  // namespace secateur::app
