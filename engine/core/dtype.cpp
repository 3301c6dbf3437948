#include "secateur/core/dtype.h"

#include <array>

#include "secateur/core/error.h"

namespace secateur {
namespace {

struct Entry {
  DType type;
  std::string_view name;
  std::int64_t bytes;
};

constexpr std::array<Entry, 7> kTypes{{{DType::f32, "f32", 4},
                                       {DType::f64, "f64", 8},
                                       {DType::f16, "f16", 2},
                                       {DType::bf16, "bf16", 2},
                                       {DType::u8, "u8", 1},
                                       {DType::i32, "i32", 4},
                                       {DType::i64, "i64", 8}}};

}  // namespace

std::int64_t size_of(DType type) { return kTypes.at(static_cast<std::size_t>(type)).bytes; }

std::string_view name_of(DType type) { return kTypes.at(static_cast<std::size_t>(type)).name; }

DType dtype_from_name(std::string_view name) {
  for (const Entry& entry : kTypes) {
    if (entry.name == name) return entry.type;
  }
  fail("unknown element type '{}'", name);
}

}  // namespace secateur
