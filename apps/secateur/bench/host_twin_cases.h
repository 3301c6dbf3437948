// The CPU's twins of channel_moments and augment, and plain loops beside them.
#pragma once

#include <vector>

#include "secateur/bench/bench.h"
#include "secateur/bench/layers.h"

namespace secateur::bench {

void add_moments_case(std::vector<Case>& cases, const std::string& shape, std::int64_t images,
                      const ConvLayer& layer);
// For networks of 32x32 images: a batch out of a set as large as CIFAR-10's training images.
void add_augment_case(std::vector<Case>& cases, const NetworkLayers& network, std::int64_t batch);

}  // namespace secateur::bench
