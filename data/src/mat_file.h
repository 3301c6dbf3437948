// Variables of MATLAB's files of level 5, as far as ImageNet's development kit needs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace secateur::data {

inline constexpr std::size_t kMostMatBytes = std::size_t{16} << 20;
// Of all compressed variables of a file together.
inline constexpr std::size_t kMostInflatedBytes = std::size_t{64} << 20;

// A piece of a file, whose errors say where it lies.
class MatBytes {
 public:
  // `within`: what bytes are counted from, said behind their number ("" for the file itself).
  MatBytes(std::span<const std::byte> bytes, std::string file, std::string within = "")
      : bytes_(bytes), file_(std::move(file)), within_(std::move(within)) {}

  struct Element {
    std::uint32_t type = 0;
    std::size_t offset = 0;  // of its tag, for errors
    std::size_t begin = 0;   // of its data
    std::size_t size = 0;
  };
  // The element whose tag is at `at`, which is moved behind its data and padding.
  [[nodiscard]] Element next(std::size_t& at, std::size_t end) const;
  [[nodiscard]] std::span<const std::byte> data(const Element& element) const {
    return bytes_.subspan(element.begin, element.size);
  }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[noreturn]] void fail_at(std::size_t offset, std::string_view what) const;

 private:
  std::span<const std::byte> bytes_;
  std::string file_;
  std::string within_;
};

// An array in a MatBytes: its class, extents and name, and where the rest of it lies.
struct MatArray {
  std::uint32_t kind = 0;  // MATLAB's number of its class; 0: empty
  std::int64_t count = 0;  // of its members
  std::string name;
  std::size_t offset = 0;
  std::size_t at = 0;
  std::size_t end = 0;
};
[[nodiscard]] MatArray read_array(const MatBytes& bytes, const MatBytes::Element& element);

// The one number of an array, whatever it is stored as.
[[nodiscard]] double number_of(const MatBytes& bytes, const MatArray& array);
// The text of an array of characters, in UTF-8.
[[nodiscard]] std::string text_of(const MatBytes& bytes, const MatArray& array);
// Calls take(field, array, member) for every field of every member of a struct array, in the file's order.
void each_field(const MatBytes& bytes, const MatArray& array,
                const std::function<void(const std::string&, const MatArray&, std::int64_t)>& take);

// Calls take(bytes, array) for every variable of a file. Throws Error for what is no such file.
void each_variable(std::span<const std::byte> file, const std::string& name,
                   const std::function<void(const MatBytes&, const MatArray&)>& take);

}  // namespace secateur::data
