// Shared memory with a shadow: each element remembers who wrote and read it, and when.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>

#include "simt/executor.h"

// CUDA's vector type, at global scope as there.
struct alignas(16) uint4 {  // NOLINT(readability-identifier-naming)
  unsigned x, y, z, w;
};

namespace secateur::simt {

// What is known of one granule of shared memory, valid while `block` is the running block's serial.
struct Shadow {
  std::uint32_t block = 0;
  bool written = false;
  bool atomic = false;      // the last write was atomic
  bool many_warps = false;  // read in this interval by several warps
  bool many_lanes = false;  // ... or by several lanes of one warp, in one warp interval
  Interval writer{};
  bool was_read = false;
  Interval reader{};
};

enum class Access { read, write, atomic };
void check_access(Shadow& shadow, Access access, std::int64_t index, std::source_location where);
[[noreturn]] void fail_bounds(std::int64_t index, std::int64_t count, std::source_location where);

// One element: reading and assigning go through the shadow.
template <typename T>
class SharedReference {
 public:
  SharedReference(T* value, Shadow* shadow, int granules, std::int64_t index, std::source_location where)
      : value_(value), shadow_(shadow), granules_(granules), index_(index), where_(where) {}
  SharedReference(const SharedReference&) = default;
  ~SharedReference() = default;

  operator T() const {  // NOLINT(google-explicit-constructor): reads like the raw array that nvcc sees
    check(Access::read);
    return *value_;
  }
  SharedReference& operator=(const T& value) {
    check(Access::write);
    *value_ = value;
    return *this;
  }
  // Assigns the value, which it may well do to itself. NOLINTNEXTLINE(bugprone-unhandled-self-assignment)
  SharedReference& operator=(const SharedReference& other) { return *this = static_cast<T>(other); }
  SharedReference& operator+=(const T& value) {
    return *this = static_cast<T>(static_cast<T>(*this) + value);
  }
  T atomic_add(const T& value) {
    check(Access::atomic);
    const T before = *value_;
    *value_ = static_cast<T>(before + value);
    return before;
  }

 private:
  void check(Access access) const {
    for (int i = 0; i < granules_; ++i) check_access(shadow_[i], access, index_, where_);
  }

  T* value_;
  Shadow* shadow_;
  int granules_;
  std::int64_t index_;
  std::source_location where_;
};

// `T name[N]` in static shared memory. Declared as `__shared__ Shared<T, N> name;`.
template <typename T, int N>
class Shared {
 public:
  SharedReference<T> at(std::int64_t index, std::source_location where) {
    if (index < 0 || index >= N) fail_bounds(index, N, where);
    return {&values_[index], &shadow_[index], 1, index, where};
  }
  // The index carries the place of the access, which an operator cannot take as a second argument.
  struct Index {
    template <typename I>  // NOLINTNEXTLINE(google-explicit-constructor)
    Index(I i, std::source_location w = std::source_location::current())
        : value(static_cast<std::int64_t>(i)), where(w) {}
    std::int64_t value;
    std::source_location where;
  };
  SharedReference<T> operator[](Index index) { return at(index.value, index.where); }
  T atomic_add(std::int64_t index, const T& value,
               std::source_location where = std::source_location::current()) {
    return at(index, where).atomic_add(value);
  }

 private:
  T values_[N];
  Shadow shadow_[N];
};

Shadow* dynamic_shared_shadow();
constexpr int kDynamicGranule = 2;  // bytes

// `count` elements of the block's dynamic shared memory, from `byte_offset` on.
template <typename T>
class DynamicShared {
  static_assert(sizeof(T) % kDynamicGranule == 0, "dynamic shared memory is shadowed in units of two bytes");

 public:
  DynamicShared(std::int64_t byte_offset, std::int64_t count,
                std::source_location where = std::source_location::current())
      : byte_offset_(byte_offset), count_(count) {
    if (byte_offset % static_cast<std::int64_t>(sizeof(T)) != 0)
      fail("misaligned dynamic shared array", where);
    if (byte_offset + count * static_cast<std::int64_t>(sizeof(T)) > dynamic_shared_bytes()) {
      fail("dynamic shared array ends past the bytes that the launch asked for", where);
    }
  }
  using Index = typename Shared<T, 1>::Index;
  SharedReference<T> operator[](Index index) const {
    if (index.value < 0 || index.value >= count_) fail_bounds(index.value, count_, index.where);
    const std::int64_t byte = byte_offset_ + index.value * static_cast<std::int64_t>(sizeof(T));
    return {reinterpret_cast<T*>(dynamic_shared() + byte), dynamic_shared_shadow() + byte / kDynamicGranule,
            static_cast<int>(sizeof(T)) / kDynamicGranule, index.value, index.where};
  }
  // 16 bytes at once, as kernels move them.
  uint4 load16(Index index) const {
    constexpr std::int64_t kLanes = 16 / sizeof(T);
    check_alignment(index);
    T lanes[kLanes];
    for (std::int64_t i = 0; i < kLanes; ++i) lanes[i] = (*this)[{index.value + i, index.where}];
    uint4 raw;
    std::memcpy(&raw, lanes, sizeof(raw));
    return raw;
  }
  void store16(Index index, uint4 raw) const {
    constexpr std::int64_t kLanes = 16 / sizeof(T);
    check_alignment(index);
    T lanes[kLanes];
    std::memcpy(lanes, &raw, sizeof(raw));
    for (std::int64_t i = 0; i < kLanes; ++i) (*this)[{index.value + i, index.where}] = lanes[i];
  }

 private:
  void check_alignment(Index index) const {
    if ((byte_offset_ + index.value * static_cast<std::int64_t>(sizeof(T))) % 16 != 0) {
      fail("misaligned vector access to shared memory", index.where);
    }
  }

  std::int64_t byte_offset_;
  std::int64_t count_;
};

}  // namespace secateur::simt
