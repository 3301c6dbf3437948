// How channels run through one node. An op describes itself to this interface; ChannelSpaces
// (channel_space.h) joins what all nodes say.
//
// A Channel is one lane of a value's channel axis, by identity: two lanes with the same Channel are the same
// and live or die together. A dense convolution makes new channels; batch norm and ReLU pass theirs on; add
// unifies its inputs lane by lane; concat lays them side by side; flatten repeats each channel for every
// position.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "secateur/core/shape.h"

namespace secateur {

using ChannelId = std::int32_t;

class ChannelRule {
 public:
  virtual ~ChannelRule() = default;

  // One channel a lane of the input.
  [[nodiscard]] virtual std::span<const ChannelId> input(int index) const = 0;
  [[nodiscard]] virtual const MapShape& input_shape(int index) const = 0;

  // The output's lanes. Every rule calls one of these exactly once.
  virtual void set_output(std::vector<ChannelId> lanes) = 0;
  // `count` new channels whose filters this node holds. They become the output's lanes, which are returned.
  virtual std::vector<ChannelId> produce(std::int64_t count) = 0;
  void pass_on(int index) {
    const auto lanes = input(index);
    set_output({lanes.begin(), lanes.end()});
  }

  // A new lane that holds zeros (padding).
  [[nodiscard]] virtual ChannelId zero_channel() = 0;
  // The two channels are one from now on.
  virtual void unify(ChannelId a, ChannelId b) = 0;
  // Removing `channel` forces the removal of `dependent`.
  virtual void implies_removal(ChannelId channel, ChannelId dependent) = 0;
  // `lanes` fall into `groups` runs of equal length, of which equally many must be kept in each.
  virtual void keep_groups_equal(std::span<const ChannelId> lanes, std::int64_t groups) = 0;
  // The lanes may never be removed (image channels, class scores).
  virtual void pin(std::span<const ChannelId> lanes) = 0;
};

}  // namespace secateur
