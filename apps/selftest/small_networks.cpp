#include "selftest/small_networks.h"

#include <algorithm>
#include <vector>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"

namespace secateur::selftest {
namespace {

NodeId image_input(Graph& graph, std::int64_t extent) {
  return graph.add("image", "input", {},
                   {{"height", extent}, {"width", extent}, {"channels", std::int64_t{3}}});
}

NodeId conv_bn(Graph& graph, const std::string& name, NodeId in, std::int64_t channels, std::int64_t kernel,
               std::int64_t stride) {
  const NodeId conv = graph.add(
      name, "conv2d", {in},
      {{"out_channels", channels}, {"kernel", kernel}, {"stride", stride}, {"padding", (kernel - 1) / 2}});
  return graph.add(name + ".bn", "batch_norm", {conv});
}

NodeId relu(Graph& graph, const std::string& name, NodeId in) { return graph.add(name, "relu", {in}); }

}  // namespace

Graph small_vgg(std::int64_t width, double dropout) {
  Graph graph;
  NodeId x = image_input(graph, 8);
  x = relu(graph, "conv1.relu", conv_bn(graph, "conv1", x, width, 3, 1));
  x = graph.add("pool1", "max_pool", {x}, {{"kernel", std::int64_t{2}}});
  x = relu(graph, "conv2.relu", conv_bn(graph, "conv2", x, width + 3, 3, 1));
  x = graph.add("pool2", "max_pool", {x}, {{"kernel", std::int64_t{2}}});
  x = graph.add("flatten", "flatten", {x});
  if (dropout > 0) x = graph.add("dropout", "dropout", {x}, {{"rate", dropout}});
  graph.add("fc", "linear", {x}, {{"out_features", std::int64_t{4}}});
  return graph;
}

Graph small_resnet(std::int64_t width) {
  Graph graph;
  NodeId x = image_input(graph, 8);
  x = relu(graph, "stem.relu", conv_bn(graph, "stem", x, width, 3, 1));
  NodeId y = relu(graph, "block1.relu1", conv_bn(graph, "block1.conv1", x, width, 3, 1));
  y = conv_bn(graph, "block1.conv2", y, width, 3, 1);
  x = relu(graph, "block1.relu2", graph.add("block1.add", "add", {y, x}));
  const NodeId shortcut = conv_bn(graph, "block2.shortcut", x, 2 * width, 1, 2);
  y = relu(graph, "block2.relu1", conv_bn(graph, "block2.conv1", x, 2 * width, 3, 2));
  y = conv_bn(graph, "block2.conv2", y, 2 * width, 3, 1);
  x = relu(graph, "block2.relu2", graph.add("block2.add", "add", {y, shortcut}));
  x = graph.add("pool", "global_avg_pool", {x});
  graph.add("fc", "linear", {x}, {{"out_features", std::int64_t{4}}});
  return graph;
}

void NoiseSource::fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
                       const Tensor& labels) {
  require(first >= 0 && first + count <= samples_, "samples {} to {} of {}", first, first + count, samples_);
  std::vector<double> pixels;
  std::vector<std::int32_t> targets;
  for (std::int64_t n = first; n < first + count; ++n) {
    const auto target = static_cast<std::int32_t>(n % classes_);
    targets.push_back(target);
    RandomSequence means(seed_, RngPurpose::test, static_cast<std::uint32_t>(target), 0);
    RandomSequence noise(seed_, RngPurpose::test, static_cast<std::uint32_t>(n),
                         static_cast<std::uint32_t>(epoch_) + 1);
    for (std::int64_t i = 0; i < shape_.positions() * shape_.channels; ++i) {
      pixels.push_back(separation_ * means.normal() + noise.normal());
    }
  }
  write_values({images.data, images.dtype, shape_.batched(count), images.leading}, pixels, stream);
  stream.copy_to_device(labels.data, targets.data(), count * static_cast<std::int64_t>(sizeof(std::int32_t)));
  stream.synchronize();
}

}  // namespace secateur::selftest
