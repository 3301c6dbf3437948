#include "secateur/graph/channel_space.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

#include "secateur/core/error.h"
#include "secateur/graph/op.h"

namespace secateur {
namespace {

constexpr ChannelMember kNoMember{-1, -1};

struct Producer {
  NodeId node;
  std::int64_t channel;
  auto operator<=>(const Producer&) const = default;
};

struct GroupConstraint {
  NodeId node;
  std::vector<ChannelId> lanes;
  std::int64_t groups;
};

}  // namespace

// Lets every node state its rule, joining channels as it goes, then reads the joined channels off as spaces.
class ChannelAnalysis final : public ChannelRule {
 public:
  explicit ChannelAnalysis(const Graph& graph)
      : graph_(graph), lanes_(static_cast<std::size_t>(graph.size())) {
    for (node_ = 0; node_ < graph.size(); ++node_) {
      const Node& node = graph.node(node_);
      find_op(node.op).channels(node, *this);
      require(static_cast<std::int64_t>(lanes_of(node_).size()) == graph.shape(node_).channels,
              "the channel rule of op '{}' gave {} lanes for the {} channels of '{}'", node.op,
              lanes_of(node_).size(), graph.shape(node_).channels, node.name);
    }
    pin(lanes_of(graph.output()));
  }

  std::span<const ChannelId> input(int index) const override { return lanes_of(input_node(index)); }
  const MapShape& input_shape(int index) const override { return graph_.shape(input_node(index)); }
  void set_output(std::vector<ChannelId> lanes) override {
    lanes_[static_cast<std::size_t>(node_)] = std::move(lanes);
  }

  std::vector<ChannelId> produce(std::int64_t count) override {
    std::vector<ChannelId> lanes;
    for (std::int64_t channel = 0; channel < count; ++channel) {
      lanes.push_back(zero_channel());
      producers_.back().push_back({node_, channel});
    }
    set_output(lanes);
    return lanes;
  }

  ChannelId zero_channel() override {
    parent_.push_back(static_cast<ChannelId>(parent_.size()));
    producers_.emplace_back();
    pinned_.push_back(false);
    return parent_.back();
  }

  void unify(ChannelId a, ChannelId b) override {
    a = root(a);
    b = root(b);
    if (a == b) return;
    parent_[static_cast<std::size_t>(b)] = a;
    auto& joined = producers_[static_cast<std::size_t>(a)];
    auto& other = producers_[static_cast<std::size_t>(b)];
    joined.insert(joined.end(), other.begin(), other.end());
    other.clear();
    if (pinned_[static_cast<std::size_t>(b)]) pinned_[static_cast<std::size_t>(a)] = true;
  }

  void implies_removal(ChannelId channel, ChannelId dependent) override {
    implications_.emplace_back(channel, dependent);
  }

  void keep_groups_equal(std::span<const ChannelId> lanes, std::int64_t groups) override {
    constraints_.push_back({node_, {lanes.begin(), lanes.end()}, groups});
  }

  void pin(std::span<const ChannelId> lanes) override {
    for (const ChannelId lane : lanes) pinned_[static_cast<std::size_t>(root(lane))] = true;
  }

  void read_off(ChannelSpaces& result) {
    member_of_root_.assign(parent_.size(), kNoMember);
    std::map<std::pair<std::vector<NodeId>, bool>, std::int32_t> space_of_signature;
    for (NodeId node = 0; node < graph_.size(); ++node) {
      for (const ChannelId lane : lanes_of(node)) assign(root(lane), space_of_signature, result.spaces_);
    }
    make_names_unique(result.spaces_);
    for (const auto& lanes : lanes_) {
      std::vector<ChannelMember> members;
      for (const ChannelId lane : lanes) members.push_back(member(lane));
      result.lanes_.push_back(std::move(members));
    }
    for (const auto& [channel, dependent] : implications_) {
      result.implications_.emplace_back(member(channel), member(dependent));
    }
    for (const GroupConstraint& constraint : constraints_) apply(constraint, result.spaces_);
  }

 private:
  NodeId input_node(int index) const { return graph_.node(node_).inputs.at(static_cast<std::size_t>(index)); }
  const std::vector<ChannelId>& lanes_of(NodeId node) const { return lanes_[static_cast<std::size_t>(node)]; }
  ChannelMember member(ChannelId lane) { return member_of_root_[static_cast<std::size_t>(root(lane))]; }

  ChannelId root(ChannelId channel) {
    while (parent_[static_cast<std::size_t>(channel)] != channel) {
      auto& parent = parent_[static_cast<std::size_t>(channel)];
      parent = parent_[static_cast<std::size_t>(parent)];
      channel = parent;
    }
    return channel;
  }

  // Gives a joined channel its place, the first time that one of its lanes is seen.
  void assign(ChannelId channel,
              std::map<std::pair<std::vector<NodeId>, bool>, std::int32_t>& space_of_signature,
              std::vector<ChannelSpace>& spaces) {
    auto& producers = producers_[static_cast<std::size_t>(channel)];
    ChannelMember& place = member_of_root_[static_cast<std::size_t>(channel)];
    if (producers.empty() || place != kNoMember) return;
    std::ranges::sort(producers);
    std::pair<std::vector<NodeId>, bool> signature;
    signature.second = pinned_[static_cast<std::size_t>(channel)];
    for (const Producer& producer : producers) {
      require(signature.first.empty() || signature.first.back() != producer.node,
              "two filters of '{}' end in one joined channel, which cannot be pruned consistently",
              graph_.node(producer.node).name);
      signature.first.push_back(producer.node);
    }
    const auto [entry, is_new] =
        space_of_signature.try_emplace(signature, static_cast<std::int32_t>(spaces.size()));
    if (is_new) {
      ChannelSpace space;
      space.name = graph_.node(producers.front().node).name;
      space.pinned = signature.second;
      for (const Producer& producer : producers) space.producers.push_back({producer.node, {}});
      spaces.push_back(std::move(space));
    }
    ChannelSpace& space = spaces[static_cast<std::size_t>(entry->second)];
    place = {entry->second, static_cast<std::int32_t>(space.width++)};
    for (std::size_t i = 0; i < producers.size(); ++i)
      space.producers[i].channels.push_back(producers[i].channel);
  }

  // Plans and state that outlive a removal find a space by name. Where one producer's channels fall into
  // several spaces, they are told apart by what they are joined with, which removals do not change, not by
  // their order.
  void make_names_unique(std::vector<ChannelSpace>& spaces) const {
    std::map<std::string, int, std::less<>> uses;
    for (const ChannelSpace& space : spaces) ++uses[space.name];
    for (ChannelSpace& space : spaces) {
      if (uses[space.name] == 1) continue;
      for (std::size_t i = 1; i < space.producers.size(); ++i) {
        space.name += "+" + graph_.node(space.producers[i].node).name;
      }
      if (space.pinned) space.name += " (fixed)";
    }
  }

  // A grouped convolution's lanes that are one whole space in its order are pruned group by group; lanes from
  // several spaces have no rule that keeps the groups equal, so these spaces are left whole.
  void apply(const GroupConstraint& constraint, std::vector<ChannelSpace>& spaces) {
    const ChannelMember first = member(constraint.lanes.front());
    bool whole = first.space >= 0 && spaces[static_cast<std::size_t>(first.space)].width ==
                                         static_cast<std::int64_t>(constraint.lanes.size());
    for (std::size_t i = 0; whole && i < constraint.lanes.size(); ++i) {
      whole = member(constraint.lanes[i]) == ChannelMember{first.space, static_cast<std::int32_t>(i)};
    }
    if (whole) {
      std::int64_t& groups = spaces[static_cast<std::size_t>(first.space)].groups;
      groups = std::lcm(groups, constraint.groups);
      return;
    }
    for (const ChannelId lane : constraint.lanes) {
      if (member(lane).space >= 0) spaces[static_cast<std::size_t>(member(lane).space)].pinned = true;
    }
  }

  const Graph& graph_;
  NodeId node_ = 0;
  std::vector<std::vector<ChannelId>> lanes_;
  std::vector<ChannelId> parent_;
  std::vector<std::vector<Producer>> producers_;  // of a root
  std::vector<bool> pinned_;                      // of a root
  std::vector<std::pair<ChannelId, ChannelId>> implications_;
  std::vector<GroupConstraint> constraints_;
  std::vector<ChannelMember> member_of_root_;
};

ChannelSpaces::ChannelSpaces(const Graph& graph) { ChannelAnalysis(graph).read_off(*this); }

std::int64_t ChannelSpaces::space_of_producer(NodeId node) const {
  for (std::size_t i = 0; i < spaces_.size(); ++i) {
    for (const SpaceProducer& producer : spaces_[i].producers) {
      if (producer.node == node) return static_cast<std::int64_t>(i);
    }
  }
  return -1;
}

KeptMembers ChannelSpaces::keep_all() const {
  KeptMembers kept;
  for (const ChannelSpace& space : spaces_) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(space.width));
    std::iota(all.begin(), all.end(), 0);
    kept.push_back(std::move(all));
  }
  return kept;
}

KeptMembers ChannelSpaces::closed(KeptMembers kept) const {
  require(kept.size() == spaces_.size(), "a removal lists every space: expected {}, got {}", spaces_.size(),
          kept.size());
  std::vector<std::vector<bool>> stays;
  for (std::size_t s = 0; s < spaces_.size(); ++s) {
    std::vector<bool> flags(static_cast<std::size_t>(spaces_[s].width), false);
    std::int64_t last = -1;
    for (const std::int64_t member : kept[s]) {
      require(member > last && member < spaces_[s].width,
              "kept members of '{}' are ascending and below {}, got {}", spaces_[s].name, spaces_[s].width,
              member);
      flags[static_cast<std::size_t>(member)] = true;
      last = member;
    }
    stays.push_back(std::move(flags));
  }
  const auto flag = [&](ChannelMember m) {
    return stays[static_cast<std::size_t>(m.space)][static_cast<std::size_t>(m.index)];
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& [cause, effect] : implications_) {
      if (cause.space < 0 || effect.space < 0 || flag(cause) || !flag(effect)) continue;
      flag(effect) = false;
      changed = true;
    }
  }
  for (std::size_t s = 0; s < spaces_.size(); ++s) {
    const ChannelSpace& space = spaces_[s];
    kept[s].clear();
    std::vector<std::int64_t> in_group(static_cast<std::size_t>(space.groups), 0);
    for (std::int64_t i = 0; i < space.width; ++i) {
      if (!stays[s][static_cast<std::size_t>(i)]) continue;
      kept[s].push_back(i);
      ++in_group[static_cast<std::size_t>(i / (space.width / space.groups))];
    }
    require(
        !space.pinned || static_cast<std::int64_t>(kept[s].size()) == space.width,
        "the channels of '{}' cannot be removed (they are the network's answer, or are tied to fixed ones)",
        space.name);
    require(!kept[s].empty(), "removing every channel of '{}' would cut the network", space.name);
    require(std::ranges::adjacent_find(in_group, std::not_equal_to{}) == in_group.end(),
            "'{}' feeds {} groups, of which equally many channels must be kept in each", space.name,
            space.groups);
  }
  return kept;
}

std::vector<std::int64_t> ChannelSpaces::kept_lanes(NodeId node, const KeptMembers& kept) const {
  std::vector<std::int64_t> remaining;
  const auto all = lanes(node);
  for (std::size_t lane = 0; lane < all.size(); ++lane) {
    const ChannelMember member = all[lane];
    if (member.space < 0 ||
        std::ranges::binary_search(kept[static_cast<std::size_t>(member.space)], member.index)) {
      remaining.push_back(static_cast<std::int64_t>(lane));
    }
  }
  return remaining;
}

}  // namespace secateur
