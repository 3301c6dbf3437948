#include "secateur/bench/layers.h"

#include <algorithm>
#include <array>

namespace secateur::bench {
namespace {

// Simonyan and Zisserman 2015, configuration D, with batch norm and one linear layer.
constexpr std::array<ConvLayer, 9> kVgg16{{{"conv1", 32, 64, 3, 3, 1},
                                           {"conv2", 32, 64, 64, 3, 1},
                                           {"conv3", 16, 128, 64, 3, 1},
                                           {"conv4", 16, 128, 128, 3, 1},
                                           {"conv5", 8, 256, 128, 3, 1},
                                           {"conv6", 8, 256, 256, 3, 2},
                                           {"conv8", 4, 512, 256, 3, 1},
                                           {"conv9", 4, 512, 512, 3, 2},
                                           {"conv11", 2, 512, 512, 3, 3}}};
constexpr std::array<PoolLayer, 5> kVgg16Pools{{{"pool1", 32, 64, 2, 2},
                                                {"pool2", 16, 128, 2, 2},
                                                {"pool3", 8, 256, 2, 2},
                                                {"pool4", 4, 512, 2, 2},
                                                {"pool5", 2, 512, 2, 2}}};

// He et al. 2016, section 4.2, n = 9, identity shortcuts.
constexpr std::array<ConvLayer, 6> kResnet56{{{"conv1", 32, 16, 3, 3, 1},
                                              {"layer1", 32, 16, 16, 3, 18},
                                              {"layer2.first", 16, 32, 16, 3, 1},
                                              {"layer2", 16, 32, 32, 3, 17},
                                              {"layer3.first", 8, 64, 32, 3, 1},
                                              {"layer3", 8, 64, 64, 3, 17}}};

// He et al. 2016, table 1, with the stride in the 3x3 convolutions.
constexpr std::array<ConvLayer, 20> kResnet50{{{"conv1", 112, 64, 3, 7, 1},
                                               {"layer1.first.conv1", 56, 64, 64, 1, 1},
                                               {"layer1.conv1", 56, 64, 256, 1, 2},
                                               {"layer1.conv2", 56, 64, 64, 3, 3},
                                               {"layer1.conv3", 56, 256, 64, 1, 4},
                                               {"layer2.first.conv1", 56, 128, 256, 1, 1},
                                               {"layer2.conv1", 28, 128, 512, 1, 3},
                                               {"layer2.conv2", 28, 128, 128, 3, 4},
                                               {"layer2.conv3", 28, 512, 128, 1, 4},
                                               {"layer2.shortcut", 28, 512, 256, 1, 1},
                                               {"layer3.first.conv1", 28, 256, 512, 1, 1},
                                               {"layer3.conv1", 14, 256, 1024, 1, 5},
                                               {"layer3.conv2", 14, 256, 256, 3, 6},
                                               {"layer3.conv3", 14, 1024, 256, 1, 6},
                                               {"layer3.shortcut", 14, 1024, 512, 1, 1},
                                               {"layer4.first.conv1", 14, 512, 1024, 1, 1},
                                               {"layer4.conv1", 7, 512, 2048, 1, 2},
                                               {"layer4.conv2", 7, 512, 512, 3, 3},
                                               {"layer4.conv3", 7, 2048, 512, 1, 3},
                                               {"layer4.shortcut", 7, 2048, 1024, 1, 1}}};
constexpr std::array<PoolLayer, 1> kResnet50Pools{{{"pool", 112, 64, 3, 2}}};

constexpr std::array<NetworkLayers, 3> kNetworks{{{"vgg16", 32, 128, 10, kVgg16, kVgg16Pools},
                                                  {"resnet56", 32, 128, 10, kResnet56, {}},
                                                  {"resnet50", 224, 32, 1000, kResnet50, kResnet50Pools}}};

}  // namespace

std::int64_t NetworkLayers::parameters() const {
  std::int64_t total = (convolutions.back().channels + 1) * classes;
  for (const ConvLayer& layer : convolutions) {
    total += layer.count * layer.channels * (layer.filter_size() + 2);
  }
  return total;
}

std::int64_t NetworkLayers::macs() const {
  std::int64_t total = convolutions.back().channels * classes;
  for (const ConvLayer& layer : convolutions) {
    total += layer.count * layer.positions() * layer.channels * layer.filter_size();
  }
  return total;
}

std::int64_t NetworkLayers::filters() const {
  std::int64_t total = 0;
  for (const ConvLayer& layer : convolutions) total += layer.count * layer.channels;
  return total;
}

std::int64_t NetworkLayers::filter_weights() const {
  std::int64_t total = 0;
  for (const ConvLayer& layer : convolutions) total += layer.count * layer.channels * layer.filter_size();
  return total;
}

std::vector<ConvLayer> distinct_maps(const NetworkLayers& network) {
  std::vector<ConvLayer> chosen;
  for (const ConvLayer& layer : network.convolutions) {
    const auto same = std::ranges::find_if(chosen, [&](const ConvLayer& other) {
      return other.side == layer.side && other.channels == layer.channels;
    });
    if (same == chosen.end()) {
      chosen.push_back(layer);
    } else if (layer.count > same->count) {
      *same = layer;
    }
  }
  return chosen;
}

std::int64_t half_of_inputs(const ConvLayer& layer) {
  return layer.in_channels <= 3 ? layer.in_channels : layer.in_channels / 2;
}

std::int64_t half_of_weights(const NetworkLayers& network) {
  std::int64_t total = 0;
  for (const ConvLayer& layer : network.convolutions) {
    total += layer.count * (layer.channels / 2) * layer.kernel * layer.kernel * half_of_inputs(layer);
  }
  return total;
}

std::span<const NetworkLayers> networks() { return kNetworks; }

}  // namespace secateur::bench
