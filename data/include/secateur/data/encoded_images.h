// EncodedImages: where the bytes of images lie that are decoded when they are used, because a million decoded
// ones fit into no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace secateur::data {

// Any number of threads may call it at once.
class EncodedImages {
 public:
  virtual ~EncodedImages() = default;
  [[nodiscard]] virtual std::int64_t size() const = 0;
  // The encoded bytes of image i (JPEG, PNG, PPM), put into `bytes`. Throws Error that names the image.
  virtual void read(std::int64_t i, std::vector<std::byte>& bytes) const = 0;
  // What a person finds image i by: its path, or its place in a packed file.
  [[nodiscard]] virtual std::string name_of(std::int64_t i) const = 0;
};

}  // namespace secateur::data
