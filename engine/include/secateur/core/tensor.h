// Tensor: a view of device memory, channels last. It owns nothing; a Slab does.
//
// The last axis is stored with a leading dimension: row r starts at data + r * leading. leading >=
// shape.last(), since a device may pad the channel axis (the stored width is not the logical width); padding
// lanes hold zeros.
#pragma once

#include <cstddef>
#include <cstdint>

#include "secateur/core/dtype.h"
#include "secateur/core/error.h"
#include "secateur/core/shape.h"

namespace secateur {

struct Tensor {
  void* data = nullptr;
  DType dtype = DType::f32;
  Shape shape;
  std::int64_t leading = 0;

  Tensor() = default;
  Tensor(void* memory, DType type, const Shape& extents) : Tensor(memory, type, extents, extents.last()) {}
  Tensor(void* memory, DType type, const Shape& extents, std::int64_t leading_dimension)
      : data(memory), dtype(type), shape(extents), leading(leading_dimension) {}

  [[nodiscard]] bool empty() const { return data == nullptr; }
  [[nodiscard]] std::int64_t rows() const { return shape.rows(); }
  [[nodiscard]] std::int64_t channels() const { return shape.last(); }
  [[nodiscard]] std::int64_t count() const { return shape.count(); }
  [[nodiscard]] bool dense() const { return leading == shape.last(); }
  // Bytes from the first to past the last stored element, padding included.
  [[nodiscard]] std::int64_t stored_bytes() const { return shape.rows() * leading * size_of(dtype); }

  // The memory as T*; throws Error when T is not the tensor's type.
  template <class T>
  [[nodiscard]] T* as() const {
    require(dtype == DTypeOf<T>::value, "tensor of {} read as {}", name_of(dtype),
            name_of(DTypeOf<T>::value));
    return static_cast<T*>(data);
  }
};

}  // namespace secateur
