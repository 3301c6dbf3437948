#include "secateur/core/shape.h"

#include <algorithm>

#include "secateur/core/error.h"

namespace secateur {

Shape::Shape(std::initializer_list<std::int64_t> extents)
    : Shape(std::span(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) : rank_(static_cast<int>(extents.size())) {
  require(extents.size() <= kMaxRank, "a shape has at most {} axes, got {}", kMaxRank, extents.size());
  std::copy(extents.begin(), extents.end(), extents_.begin());
  constexpr std::int64_t kLimit = std::int64_t{1} << 62;
  std::int64_t product = 1;
  for (const std::int64_t extent : extents) {
    require(extent >= 0, "a shape has no negative extents, got {}", to_string());
    require(extent == 0 || product <= kLimit / extent, "shape {} has more elements than can be addressed",
            to_string());
    product *= extent;
  }
}

std::int64_t Shape::count() const { return rows() * last(); }

std::int64_t Shape::rows() const {
  std::int64_t product = 1;
  for (int axis = 0; axis + 1 < rank_; ++axis) product *= (*this)[axis];
  return product;
}

std::string Shape::to_string() const { return fmt::format("[{}]", fmt::join(extents(), ", ")); }

}  // namespace secateur
