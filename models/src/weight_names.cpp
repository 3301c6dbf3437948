#include "secateur/models/weight_names.h"

#include <set>

#include "secateur/core/error.h"
#include "secateur/core/names.h"
#include "secateur/graph/op.h"

namespace secateur::models {
namespace {

bool is_vgg(const Graph& graph) {
  return graph.find("conv1") >= 0 && graph.find("pool1") >= 0 && graph.find("flatten") >= 0;
}

std::string resnet_layer(std::string name) {
  const auto replace = [&name](std::string_view from, std::string_view to) {
    if (name.ends_with(from)) name.replace(name.size() - from.size(), from.size(), to);
  };
  replace(".shortcut.conv", ".downsample.0");
  replace(".shortcut.bn", ".downsample.1");
  return name;
}

// Names of VGG's layers by node: the convolutional part is one sequence, counted.
std::map<NodeId, std::string> vgg_layers(const Graph& graph, Naming naming) {
  static const std::set<std::string, std::less<>> kCounted{"conv2d", "batch_norm", "relu", "max_pool"};
  std::map<NodeId, std::string> layers;
  int features = 0;
  for (NodeId id = 0; id < graph.find("flatten"); ++id) {
    if (kCounted.contains(graph.node(id).op)) layers[id] = fmt::format("features.{}", features++);
  }
  const NodeId hidden = graph.find("fc1");
  require(naming != Naming::timm || hidden < 0, "timm's VGG has no counterpart of the hidden layer 'fc1'");
  if (hidden >= 0) layers[hidden] = "classifier.0";
  if (const NodeId fc = graph.find("fc"); fc >= 0) {
    layers[fc] = naming == Naming::timm ? "head.fc" : hidden >= 0 ? "classifier.3" : "classifier.0";
  }
  return layers;
}

std::string torch_role(const std::string& role) {
  if (role == "scale") return "weight";
  if (role == "shift") return "bias";
  if (role == "running_variance") return "running_var";
  return role;
}

}  // namespace

Naming naming_from_name(std::string_view name) {
  if (name == "own" || name == "plain") return Naming::own;
  if (name == "torchvision") return Naming::torchvision;
  if (name == "timm") return Naming::timm;
  fail("names are own (or plain), torchvision or timm, not '{}'{}", name,
       did_you_mean(name, std::vector<std::string>{"own", "plain", "torchvision", "timm"}));
}

std::map<std::string, std::string, std::less<>> weight_names(const Graph& graph, Naming naming) {
  const std::map<NodeId, std::string> layers =
      naming != Naming::own && is_vgg(graph) ? vgg_layers(graph, naming) : std::map<NodeId, std::string>{};
  std::map<std::string, std::string, std::less<>> names;
  std::set<std::string> taken;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    for (const ParameterSpec& spec : find_op(node.op).parameters(node, graph.input_shapes(id))) {
      const std::string own = node.name + "." + spec.role;
      const auto layer = layers.find(id);
      const std::string name = naming == Naming::own
                                   ? own
                                   : (layer != layers.end() ? layer->second : resnet_layer(node.name)) + "." +
                                         torch_role(spec.role);
      require(taken.insert(name).second, "two parameters would be called '{}'", name);
      names[own] = name;
    }
  }
  return names;
}

}  // namespace secateur::models
