// What the parameters of these networks are called elsewhere.
//
// torchvision: conv1.weight, bn1.running_var, layer1.0.downsample.0.weight, fc.bias; VGG's layers are
// counted, features.N and classifier.N. timm: the same for ResNets; features.N and head.fc for VGG. VGG's
// convolutional part is torchvision's; its classifier is the CIFAR one, so `fc` is classifier.0, or, behind a
// hidden layer classifier.0, classifier.3.
//
// A pruned network keeps the names of its layers. Other networks keep the names of their nodes, with
// PyTorch's names of the roles (scale is weight, shift is bias).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "secateur/graph/graph.h"

namespace secateur::models {

enum class Naming : std::uint8_t { own, torchvision, timm };

// "own" (also "plain"), "torchvision", "timm"; throws Error for another name.
[[nodiscard]] Naming naming_from_name(std::string_view name);

// Own parameter name -> name there, for every parameter. Throws Error for what has no counterpart (timm's VGG
// with a hidden layer), and when two would be called the same.
[[nodiscard]] std::map<std::string, std::string, std::less<>> weight_names(const Graph& graph, Naming naming);

}  // namespace secateur::models
