// Safetensors: named tensors and a map of text in one file, the exchange format for weights.
//
// Layout: a 64-bit little-endian length, a JSON header of that length, then the tensors' bytes. The header
// maps a name to {"dtype", "shape", "data_offsets": [begin, end]}, offsets counted from the end of the
// header, and "__metadata__" to a map of text to text. https://github.com/huggingface/safetensors
//
// A file is material from strangers: reading allocates no more than the file's own size plus a header of at
// most kMaxSafetensorsHeader bytes, and whatever is not exactly as the format says is refused with an Error
// that names the file, the tensor, what was expected and what came. The tensors' ranges must cover the data
// without overlap and without a gap, as the format demands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/core/dtype.h"
#include "secateur/core/shape.h"

namespace secateur {

inline constexpr std::int64_t kMaxSafetensorsHeader = 16 << 20;

using Metadata = std::map<std::string, std::string, std::less<>>;

class Safetensors {
 public:
  struct Entry {
    DType dtype = DType::f32;
    Shape shape;
    std::span<const std::byte> bytes;  // row-major, little-endian; lives as long as the object
  };

  // Reads and checks a file.
  [[nodiscard]] static Safetensors read(const std::filesystem::path& path);
  // The same for bytes in memory; `origin` stands for the file's name in errors.
  [[nodiscard]] static Safetensors parse(std::vector<std::byte> bytes, std::string origin);

  Safetensors(Safetensors&&) noexcept = default;
  Safetensors& operator=(Safetensors&&) noexcept = default;

  [[nodiscard]] const std::string& origin() const { return origin_; }
  [[nodiscard]] const Metadata& metadata() const { return metadata_; }
  [[nodiscard]] const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }
  [[nodiscard]] bool contains(std::string_view name) const { return entries_.find(name) != entries_.end(); }
  // Throws Error that names the file and the nearest name there is.
  [[nodiscard]] const Entry& at(std::string_view name) const;
  // The elements of a tensor of f64, f32, f16 or bf16, in order; throws Error for another type.
  [[nodiscard]] std::vector<double> values(std::string_view name) const;

 private:
  Safetensors() = default;
  void read_header(std::string_view json, std::int64_t data_begin);

  std::string origin_;
  std::vector<std::byte> bytes_;  // the heap block stays where it is when the object is moved
  Metadata metadata_;
  std::map<std::string, Entry, std::less<>> entries_;
};

struct NamedTensor {
  std::string name;
  Shape shape;
  std::vector<float> values;
};

// The file's bytes: tensors in the given order, as f32. Throws Error for a name that is empty, reserved or
// given twice, and for a number of values that is not the shape's.
[[nodiscard]] std::vector<std::byte> encode_safetensors(std::span<const NamedTensor> tensors,
                                                        const Metadata& metadata);
// Writes it as write_file_atomically (io/files.h) does: the old file or the new one, whole.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const Metadata& metadata);

}  // namespace secateur
