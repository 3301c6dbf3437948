#include "secateur/data/split.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "hash.h"
#include "secateur/core/error.h"
#include "secateur/core/rng.h"

namespace secateur::data {
namespace {

// Shares out `total` in proportion to `counts` by largest remainders; lower classes first among equal ones.
std::vector<std::int64_t> apportion(const std::vector<std::int64_t>& counts, std::int64_t total) {
  const std::int64_t sum = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  std::vector<std::int64_t> quotas;
  std::vector<std::size_t> order(counts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::int64_t left = total;
  for (const std::int64_t count : counts) {
    quotas.push_back(count * total / sum);
    left -= quotas.back();
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return counts[a] * total % sum > counts[b] * total % sum;
  });
  for (std::size_t i = 0; i < static_cast<std::size_t>(left); ++i) ++quotas[order[i]];
  return quotas;
}

}  // namespace

TrainValidationSplit TrainValidationSplit::make(const ImageSet& set, std::int64_t validation_size,
                                                std::uint64_t seed) {
  require(validation_size >= 0 && validation_size < set.size(),
          "cannot take {} validation images from the {} training images of '{}'", validation_size, set.size(),
          set.name());
  std::vector<std::vector<std::int64_t>> members(static_cast<std::size_t>(set.num_classes()));
  for (std::int64_t i = 0; i < set.size(); ++i) members[static_cast<std::size_t>(set.label(i))].push_back(i);

  TrainValidationSplit split;
  split.set_name_ = set.name();
  split.set_size_ = set.size();
  split.set_hash_ = set.label_hash();
  split.seed_ = seed;
  const std::vector<std::int64_t> quotas = apportion(set.class_counts(), validation_size);
  RandomSequence random(seed, RngPurpose::split);
  for (std::size_t c = 0; c < members.size(); ++c) {
    const std::vector<std::int64_t> order = random.permutation(static_cast<std::int64_t>(members[c].size()));
    for (std::size_t i = 0; i < static_cast<std::size_t>(quotas[c]); ++i) {
      split.validation_.push_back(members[c][static_cast<std::size_t>(order[i])]);
    }
  }
  std::sort(split.validation_.begin(), split.validation_.end());
  split.fill_train_indices();
  split.hash_ = split.compute_hash();
  return split;
}

void TrainValidationSplit::fill_train_indices() {
  train_.clear();
  auto next = validation_.begin();
  for (std::int64_t i = 0; i < set_size_; ++i) {
    if (next != validation_.end() && *next == i) {
      ++next;
    } else {
      train_.push_back(i);
    }
  }
}

std::uint64_t TrainValidationSplit::compute_hash() const {
  Hasher hasher;
  hasher.add(set_size_);
  hasher.add(std::span<const std::int64_t>(validation_));
  return hasher.digest();
}

void TrainValidationSplit::check_set(const ImageSet& set) const {
  require(set.name() == set_name_ && set.size() == set_size_,
          "the stored train/validation split is of '{}' with {} images, not of '{}' with {}", set_name_,
          set_size_, set.name(), set.size());
  require(set.label_hash() == set_hash_,
          "the images of '{}' stand in another order than those that the stored train/validation split was "
          "made of: it "
          "would mix training and validation images. Use the same files as before",
          set_name_);
}

ImageSet TrainValidationSplit::train_part(const ImageSet& set) const {
  check_set(set);
  return set.subset(train_);
}

ImageSet TrainValidationSplit::validation_part(const ImageSet& set) const {
  check_set(set);
  return set.subset(validation_);
}

void TrainValidationSplit::save(StateWriter writer) const {
  writer.set("set", set_name_);
  writer.set("set_size", set_size_);
  writer.set("set_hash", fmt::format("{:016x}", set_hash_));
  writer.set("seed", static_cast<std::int64_t>(seed_));
  writer.set("validation", validation_);
  writer.set("hash", fmt::format("{:016x}", hash_));
}

TrainValidationSplit TrainValidationSplit::restore(const StateReader& reader) {
  const auto hash_of = [&](std::string_view name) -> std::uint64_t {
    const auto& text = reader.get<std::string>(name);
    require(text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string::npos,
            "stored train/validation split: '{}' is '{}', not a hash of 16 hexadecimal digits", name, text);
    return std::stoull(text, nullptr, 16);
  };
  TrainValidationSplit split;
  split.set_name_ = reader.get<std::string>("set");
  split.set_size_ = reader.get<std::int64_t>("set_size");
  split.set_hash_ = hash_of("set_hash");
  split.seed_ = static_cast<std::uint64_t>(reader.get<std::int64_t>("seed"));
  split.validation_ = reader.get<std::vector<std::int64_t>>("validation");
  split.hash_ = hash_of("hash");
  std::int64_t previous = -1;
  for (const std::int64_t index : split.validation_) {
    require(index > previous && index < split.set_size_,
            "stored train/validation split: index {} after {} in a set of {} images", index, previous,
            split.set_size_);
    previous = index;
  }
  require(split.hash_ == split.compute_hash(),
          "stored train/validation split: its indices do not have its hash");
  split.fill_train_indices();
  return split;
}

}  // namespace secateur::data
