// XXH3 (64 bits) of a stream of values.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>

struct XXH3_state_s;

namespace secateur::data {

class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  void add_bytes(const void* bytes, std::size_t count);
  template <class T>
  requires std::is_integral_v<T>
  void add(std::span<const T> values) { add_bytes(values.data(), values.size_bytes()); }
  void add(std::int64_t value) { add_bytes(&value, sizeof value); }
  [[nodiscard]] std::uint64_t digest() const;

 private:
  XXH3_state_s* state_;
};

}  // namespace secateur::data
