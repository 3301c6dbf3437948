// Builders by family, and the blocks that they share.
#pragma once

#include <string>

#include "secateur/models/models.h"

namespace secateur::models {

// VGG for 32x32 images (Simonyan and Zisserman 2015, with batch norm); depth 16 or 19.
[[nodiscard]] Graph build_vgg(std::int64_t depth, const BuildOptions& options);
// ResNet for 32x32 images (He et al. 2016): depth = 6 n + 2, three stages of n basic blocks.
[[nodiscard]] Graph build_cifar_resnet(std::int64_t depth, const BuildOptions& options);
// ResNet for 224x224 images: depth 18 or 34 (basic blocks), 50 or 101 (bottlenecks, the stride on the 3x3
// convolution).
[[nodiscard]] Graph build_imagenet_resnet(std::int64_t depth, const BuildOptions& options);

// The builders are called with classes and image filled in.
[[nodiscard]] NodeId add_image(Graph& graph, const BuildOptions& options);
// The classifier on `input`, a vector.
void add_classifier(Graph& graph, NodeId input, const BuildOptions& options);
// Convolution without bias and batch norm; "same" padding for odd kernels.
NodeId add_conv_bn(Graph& graph, const std::string& conv, const std::string& norm, NodeId input,
                   std::int64_t channels, std::int64_t kernel, std::int64_t stride);

}  // namespace secateur::models
