// The stored split of a training set: which images are trained on and which steer (validation).
//
// A pruning run must never steer by images that its base was trained on, so the split travels with the
// checkpoint: indices, their hash, and what tells the set apart from another one or from the same one in
// another order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "secateur/data/dataset.h"
#include "secateur/io/state_tree.h"

namespace secateur::data {

class TrainValidationSplit {
 public:
  // Takes `validation_size` images for validation, the same share of every class (largest remainders where it
  // does not come out even, lower classes first), drawn without replacement by `seed` (RngPurpose::split).
  // Throws Error unless 0 <= validation_size < set.size().
  static TrainValidationSplit make(const ImageSet& set, std::int64_t validation_size, std::uint64_t seed);

  // Indices into the set, ascending; together every sample once.
  [[nodiscard]] const std::vector<std::int64_t>& train_indices() const { return train_; }
  [[nodiscard]] const std::vector<std::int64_t>& validation_indices() const { return validation_; }
  // XXH3 of the set's size and the validation indices.
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  [[nodiscard]] const std::string& set_name() const { return set_name_; }

  // The two parts of the set. Throw Error when it is not the set that the split was made of: another name,
  // size, or order of labels.
  [[nodiscard]] ImageSet train_part(const ImageSet& set) const;
  [[nodiscard]] ImageSet validation_part(const ImageSet& set) const;

  void save(StateWriter writer) const;
  // Throws Error when an index is out of range or repeated, or when the hash is not that of the indices.
  static TrainValidationSplit restore(const StateReader& reader);

  bool operator==(const TrainValidationSplit&) const = default;

 private:
  void fill_train_indices();
  [[nodiscard]] std::uint64_t compute_hash() const;
  void check_set(const ImageSet& set) const;

  std::string set_name_;
  std::int64_t set_size_ = 0;
  std::uint64_t set_hash_ = 0;
  std::uint64_t seed_ = 0;
  std::uint64_t hash_ = 0;
  std::vector<std::int64_t> train_;
  std::vector<std::int64_t> validation_;
};

}  // namespace secateur::data
