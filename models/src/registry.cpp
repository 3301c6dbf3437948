#include <array>
#include <functional>

#include "builders.h"
#include "secateur/core/error.h"
#include "secateur/core/names.h"

namespace secateur::models {
namespace {

// What a network was published for.
struct Task {
  std::int64_t num_classes;
  MapShape image;
};
constexpr Task kCifar10{10, {32, 32, 3}};
constexpr Task kImageNet{1000, {224, 224, 3}};

struct Entry {
  std::string name;
  std::string description;
  Task task;
  std::function<Graph(const BuildOptions&)> build;
};

Entry cifar_resnet(std::int64_t depth, std::string description) {
  return {fmt::format("resnet{}", depth), std::move(description), kCifar10,
          [depth](const BuildOptions& options) { return build_cifar_resnet(depth, options); }};
}

Entry imagenet_resnet(std::int64_t depth, std::string description) {
  return {fmt::format("resnet{}", depth), std::move(description), kImageNet,
          [depth](const BuildOptions& options) { return build_imagenet_resnet(depth, options); }};
}

Entry vgg(std::int64_t depth, std::string description) {
  return {fmt::format("vgg{}", depth), std::move(description), kCifar10,
          [depth](const BuildOptions& options) { return build_vgg(depth, options); }};
}

// One line a network.
const std::vector<Entry>& entries() {
  static const std::vector<Entry> table{
      cifar_resnet(8, "ResNet-8 for 32x32 images: the demo's, small enough for a laptop"),
      cifar_resnet(20, "ResNet-20 for 32x32 images (He et al. 2016)"),
      cifar_resnet(32, "ResNet-32"),
      cifar_resnet(44, "ResNet-44"),
      cifar_resnet(56, "ResNet-56"),
      cifar_resnet(110, "ResNet-110"),
      vgg(16, "VGG-16 with batch norm for 32x32 images"),
      vgg(19, "VGG-19 with batch norm for 32x32 images"),
      imagenet_resnet(18, "ResNet-18 for 224x224 images"),
      imagenet_resnet(34, "ResNet-34 for 224x224 images"),
      imagenet_resnet(50, "ResNet-50 for 224x224 images, the stride on the 3x3 convolutions"),
      imagenet_resnet(101, "ResNet-101 for 224x224 images"),
  };
  return table;
}

}  // namespace

NodeId add_image(Graph& graph, const BuildOptions& options) {
  return graph.add("image", "input", {},
                   {{"height", options.image->height},
                    {"width", options.image->width},
                    {"channels", options.image->channels}});
}

void add_classifier(Graph& graph, NodeId input, const BuildOptions& options) {
  graph.add("fc", "linear", {input}, {{"out_features", *options.num_classes}});
}

NodeId add_conv_bn(Graph& graph, const std::string& conv, const std::string& norm, NodeId input,
                   std::int64_t channels, std::int64_t kernel, std::int64_t stride) {
  const NodeId x = graph.add(
      conv, "conv2d", {input},
      {{"out_channels", channels}, {"kernel", kernel}, {"stride", stride}, {"padding", kernel / 2}});
  return graph.add(norm, "batch_norm", {x});
}

Graph build(std::string_view name, const BuildOptions& options) {
  std::vector<std::string> names;
  for (const Entry& entry : entries()) {
    if (entry.name == name) {
      BuildOptions complete = options;
      complete.num_classes = options.num_classes.value_or(entry.task.num_classes);
      complete.image = options.image.value_or(entry.task.image);
      require(complete.num_classes >= 2, "a classifier has at least two classes, not {}",
              *complete.num_classes);
      return entry.build(complete);
    }
    names.push_back(entry.name);
  }
  const auto nearest = nearest_name(name, names, plausible_typo_distance(name));
  fail("there is no network called '{}'{}; there are {}", name,
       nearest ? fmt::format(" (did you mean '{}'?)", *nearest) : "", fmt::join(names, ", "));
}

std::vector<std::pair<std::string, std::string>> list() {
  std::vector<std::pair<std::string, std::string>> result;
  for (const Entry& entry : entries()) result.emplace_back(entry.name, entry.description);
  return result;
}

}  // namespace secateur::models
